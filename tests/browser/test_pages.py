"""Every page: it updates, in light and dark, on desktop and phone, for sighted users and screen readers."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from live_stack import LiveStack
from playwright.async_api import Page, expect
from tabs import OpenPage, Scheme, picture, serious_violations, sign_in, visit

from testkit import Receiver
from testkit.full_stack import KEY


@dataclass(frozen=True)
class Shown:
    """A page of the console: what its heading says, and something that only its live data can have put there."""

    name: str
    path: str
    heading: str
    alive: str


PAGES = [
    Shown("now", "/", "Now", r"< 30 s"),
    Shown("ahead", "/ahead", "Ahead", r"events"),
    Shown("events", "/events", "Events", r"Completed"),
    Shown("event", "/events/{event}", "Event", r"Completed"),
    Shown("endpoints", "/endpoints", "Endpoints", r"The inbox on this machine"),
    Shown("endpoint", "/endpoints/{endpoint}", "Endpoint", r"The inbox on this machine"),
    Shown("dead-letters", "/dead-letters", "Dead letters", r"HTTP 400"),
    Shown("dead-letter", "/dead-letters/{letter}", "Dead letter", r"HTTP 400"),
    Shown("business", "/business?days=7", "Business", r"Notification"),
    Shown("cost", "/cost", "Cost", r"\$"),
    Shown("alerts", "/alerts", "Alerts", r"Dead"),
]
EVERY_PAGE = pytest.mark.parametrize("shown", PAGES, ids=lambda shown: shown.name)


@dataclass(frozen=True)
class Busy:
    """What there is to see: the ids that stand in addresses."""

    event: str
    endpoint: str
    letter: str

    def path(self, shown: Shown) -> str:
        return shown.path.format(**vars(self))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def busy(live: LiveStack) -> AsyncIterator[Busy]:
    """Events of all outcomes: delivered, given up, waiting."""
    async with Receiver() as refusing:
        refusing.always(400)
        endpoint = await live.create_endpoint(refusing.url, description="Refuses all", eventTypes=["REMINDER"])
        person = await live.person()
        delivered = await live.notify(person, 40)
        await live.notify(person, 6, "REMINDER")
        for event in delivered[-3:]:
            await live.has_ended(event, "COMPLETED")
        letters = await live.has_dead_letters(6, endpointId=endpoint)
        yield Busy(delivered[-1], await live.inbox_endpoint(), str(letters[0]["id"]))
        await live.delete_endpoint(endpoint)


@EVERY_PAGE
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_page_shows_live_data_and_is_accessible(
    shown: Shown, scheme: Scheme, busy: Busy, open_page: OpenPage, pytestconfig: pytest.Config
) -> None:
    page = await sign_in(await open_page(scheme), KEY)
    await visit(page, busy.path(shown))
    await expect(page.get_by_role("heading", level=1)).to_have_text(shown.heading)
    await expect(page.locator("#content")).to_contain_text(re.compile(shown.alive))
    assert await page.locator("html").get_attribute("data-theme") == scheme
    assert await serious_violations(page) == []
    folder: Path | None = pytestconfig.getoption("--screenshots")
    if folder is not None:
        await picture(page, folder / f"{shown.name}-{scheme}.png")


@EVERY_PAGE
async def test_on_a_phone_nothing_hangs_over_the_edge(shown: Shown, busy: Busy, open_page: OpenPage) -> None:
    page = await sign_in(await open_page(phone=True), KEY)
    await visit(page, busy.path(shown))
    await expect(page.locator("#content")).to_contain_text(re.compile(shown.alive))
    wide, room = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= room


async def test_the_keyboard_reaches_the_content_first_and_then_every_page(signed_in: Page) -> None:
    await visit(signed_in, "/endpoints")
    await signed_in.keyboard.press("Tab")
    await expect(signed_in.locator(":focus")).to_have_text("Skip to the content")
    await signed_in.keyboard.press("Enter")
    assert await signed_in.evaluate("document.activeElement.id") == "content"
    links = signed_in.get_by_role("navigation", name="Pages").get_by_role("link")
    names = [shown.heading for shown in PAGES if "{" not in shown.path]
    assert [text.strip() for text in await links.all_inner_texts()] == names
    await links.filter(has_text="Dead letters").press("Enter")
    await expect(signed_in.get_by_role("heading", level=1)).to_have_text("Dead letters")


async def test_light_and_dark_can_be_switched_and_stay(signed_in: Page) -> None:
    await signed_in.get_by_role("button", name="Switch between light and dark").click()
    await expect(signed_in.locator("html")).to_have_attribute("data-theme", "dark")
    await visit(signed_in, "/endpoints")
    await expect(signed_in.locator("html")).to_have_attribute("data-theme", "dark")
