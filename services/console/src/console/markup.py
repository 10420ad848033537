"""HTML of pages: escaped markup, icons, lists of facts, and the head that every page has."""

import hashlib
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from types import MappingProxyType

from markupsafe import Markup

Content = Markup | str | int | None
"""Text, or markup of ours; None is nothing."""


def tag(name: str, /, *content: Content | Iterable[Content], **attributes: str | bool | None) -> Markup:
    """``<name …>content</name>``. Of attributes, ``class_`` is ``class`` and ``aria_label`` ``aria-label``; False and
    None are left out, True is one without a value.
    """
    parts = [
        Markup(" {}").format(key.rstrip("_").replace("_", "-"))
        if value is True
        else Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), value)
        for key, value in attributes.items()
        if value is not None and value is not False
    ]
    opening = Markup("<{}{}>").format(name, Markup("").join(parts))
    return Markup("{}{}</{}>").format(opening, joined(*content), name)


def joined(*content: Content | Iterable[Content]) -> Markup:
    """All of it, one after the other."""
    return Markup("").join(
        Markup("").join("" if each is None else each if isinstance(each, str) else str(each) for each in many)
        for many in ((item,) if item is None or isinstance(item, (str, int)) else item for item in content)
    )


def link(text: Content, address: str, **attributes: str | bool | None) -> Markup:
    return tag("a", text, href=address, **attributes)


def badge(text: str, tone: str = "plain") -> Markup:
    """A word with a colour. ``tone`` is one of plain, good, watch, bad, busy; the word says it without colours."""
    return tag("span", text, class_=f"badge {tone}")


_FRAME = Markup('<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">{}</svg>')
_DRAWINGS: Mapping[str, Markup] = MappingProxyType(
    {
        "brand": Markup('<circle cx="12" cy="12" r="9"/><path d="M12 3a9 9 0 0 1 0 18z" fill="currentColor"/>'),
        "now": Markup('<path d="M3 12h4l3-8 4 16 3-8h4"/>'),
        "ahead": Markup('<path d="M4 20V10M10 20V4M16 20v-8M22 20H2"/>'),
        "events": Markup('<rect x="3" y="5" width="18" height="16" rx="2"/><path d="M3 10h18M8 2v5M16 2v5"/>'),
        "endpoints": Markup(
            '<circle cx="6" cy="12" r="3"/><circle cx="18" cy="5" r="3"/><circle cx="18" cy="19" r="3"/>'
            '<path d="m8.7 10.6 6.6-4.2M8.7 13.4l6.6 4.2"/>'
        ),
        "dead-letters": Markup('<path d="M4 5h16v14H4zM4 6l8 7 8-7"/><path d="m14.5 15.5 4 4m0-4-4 4"/>'),
        "business": Markup('<path d="M3 17 9 11l4 4 8-9"/><path d="M15 6h6v6"/>'),
        "cost": Markup(
            '<ellipse cx="12" cy="6" rx="8" ry="3"/><path d="M4 6v6c0 1.7 3.6 3 8 3s8-1.3 8-3V6"/>'
            '<path d="M4 12v6c0 1.7 3.6 3 8 3s8-1.3 8-3v-6"/>'
        ),
        "alerts": Markup('<path d="M6 9a6 6 0 0 1 12 0c0 6 2 7 2 7H4s2-1 2-7"/><path d="M10 20a2 2 0 0 0 4 0"/>'),
        "menu": Markup('<path d="M4 7h16M4 12h16M4 17h16"/>'),
        "theme": Markup('<circle cx="12" cy="12" r="9"/><path d="M12 3a9 9 0 0 0 0 18z" fill="currentColor"/>'),
        "log-out": Markup('<path d="M10 4H5v16h5M15 8l4 4-4 4M19 12H9"/>'),
        "empty": Markup('<circle cx="12" cy="12" r="9"/><path d="M8 12h8"/>'),
        "away": Markup('<path d="M12 4 2.5 20h19z"/><path d="M12 10v5M12 17.5v.5"/>'),
    }
)


def icon(name: str) -> Markup:
    """The drawing as an SVG element that screen readers pass over."""
    return _FRAME.format(_DRAWINGS[name])


def facts(pairs: Iterable[tuple[str, Content]]) -> Markup:
    """A description list."""
    return tag("dl", (joined(tag("dt", name), tag("dd", value)) for name, value in pairs), class_="facts")


ASSETS = Path(__file__).parent / "assets"


def asset(name: str) -> str:
    """The address of a file in ``assets``: another one whenever the file is, so that browsers may keep it."""
    digest = hashlib.sha256((ASSETS / name).read_bytes()).hexdigest()[:12]
    return f"/assets/{name}?{digest}"


_PLAIN = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · Almanac</title>
{head}
</head>
<body class="plain">
<main>
{body}
</main>
</body>
</html>"""

HEAD = "\n".join(
    (
        f'<link rel="icon" type="image/svg+xml" href="{asset("favicon.svg")}">',
        f'<link rel="stylesheet" href="{asset("console.css")}">',
        # Not deferred: a dark page must not flash light.
        f'<script src="{asset("theme.js")}"></script>',
        f'<script src="{asset("focus.js")}" defer></script>',
    )
)


def plain_page(title: str, body: str) -> str:
    """A whole document without the pages' framework. ``body`` is markup."""
    return _PLAIN.format(title=escape(title), head=HEAD, body=body)


def lost_page(title: str, text: str) -> str:
    """What stands where there is no page, or none that can be shown; it leads back."""
    shown = f'<h1>{escape(title)}</h1><p>{escape(text)}</p><p><a href="/">To the first page</a></p>'
    return plain_page(title, f'<div class="card">{shown}</div>')
