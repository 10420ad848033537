"""The frame around every page: where one is, where one can go, who one is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from markupsafe import Markup
from nicegui import ui

from console.components import html
from console.formats import of_many
from console.markup import icon, joined, link, tag
from console.page import Page, Visit
from console.views.now import alerts_firing

_MENU = "menu-button"


@contextmanager
def shell(visit: Visit, page: Page, pages: Sequence[Page]) -> Iterator[None]:
    """The frame of ``page``; the body of the ``with`` goes into its main part."""
    # Open where there is room, as the browser sees it: the server asks nothing.
    drawer = ui.left_drawer(value=False, top_corner=True, bottom_corner=True)
    with drawer.classes("side").props("width=224 show-if-above"):
        html(joined(icon("brand"), "Almanac"), name="p").classes("brand")
        html(_navigation(page, pages), name="nav").props('aria-label="Pages"').classes("navigation")
    with ui.header().classes("top"):
        menu = ui.element("button").classes(f"plain-button {_MENU}").props('type="button" aria-label="Pages"')
        with menu:
            html(icon("menu"), name="span")
        menu.on("click", drawer.toggle)
        html(joined(page.title), name="h1").classes("page-title")
        _alert_flag(visit)
        html(_account(visit), name="div").classes("account")
    # First in the page, so first to be reached by the keyboard.
    skip = ui.link("Skip to the content", "#content").classes("skip")
    skip.move(visit.client.layout, 0)
    visit.client.content.props('id="content" tabindex="-1"').classes("content")
    with visit.client.content:
        yield


def _alert_flag(visit: Visit) -> None:
    """How many alerts fire, wherever one is; nothing where none does."""
    alerts = visit.live.alerts
    visit.watch(alerts)
    flag = html().classes("alert-flag").props('role="status"')

    def show() -> None:
        firing = alerts_firing(alerts.reading.value)
        shown = link(of_many(len(firing), "alert"), "/alerts", class_="badge bad") if firing else Markup("")
        flag.set_content(str(shown))

    visit.tick(show, 3.0)


def _navigation(page: Page, pages: Sequence[Page]) -> Markup:
    here = page.parent or page.path
    return tag(
        "ul",
        (
            tag(
                "li",
                link(
                    joined(icon(each.icon), tag("span", each.title)),
                    each.path,
                    aria_current="page" if each.path == here else None,
                ),
            )
            for each in pages
            if each.icon is not None
        ),
    )


def _account(visit: Visit) -> Markup:
    role = "may act" if visit.may_act else "may only look"
    theme = tag(
        "button",
        icon("theme"),
        type="button",
        class_="plain-button",
        data_theme_switch=True,
        aria_label="Switch between light and dark",
        title="Switch between light and dark",
    )
    leave = tag("button", icon("log-out"), type="submit", class_="plain-button", aria_label="Log out", title="Log out")
    return joined(
        tag("span", tag("span", visit.session.name, class_="who"), tag("span", role, class_="note"), class_="key"),
        theme,
        tag("form", leave, method="post", action="/logout"),
    )
