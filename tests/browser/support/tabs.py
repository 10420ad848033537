"""What a person does in a tab, and what must not happen there."""

from collections.abc import Awaitable
from io import BytesIO
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import urlsplit

from axe_playwright_python.async_playwright import Axe
from PIL import Image
from playwright.async_api import ConsoleMessage, Page, Request, WebSocket

from local_stack import ports

_AT_HOME = {"data", "blob", "about"}
_COLOURS = 128
_SERIOUS = {"serious", "critical"}

# What is half faded in has half its contrast, and what was just shown may begin to fade in with the frame after next.
# What turns for ever is not waited for.
_SETTLED = """async () => {
    const moving = () => document.getAnimations().filter(
        (each) => each.playState !== "finished" && Number.isFinite(each.effect.getComputedTiming().endTime)
    );
    for (let still = 0; still < 3; still++) {
        await new Promise(requestAnimationFrame);
        if (moving().length) still = -1;
        await Promise.all(moving().map((each) => each.finished.catch(() => null)));
    }
}"""

Scheme = Literal["light", "dark"]


class OpenPage(Protocol):
    """Opens a tab with cookies of its own, at no address yet."""

    def __call__(self, scheme: Scheme = "light", *, phone: bool = False) -> Awaitable[Page]: ...


class Watch:
    """What must not happen in a page: errors, and requests to another machine."""

    def __init__(self, page: Page) -> None:
        self.troubles: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.troubles.append(f"an error in the page: {error}"))
        page.on("request", self._asked)
        page.on("websocket", self._connected)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.troubles.append(f"an error in the browser's console: {message.text} ({message.location})")

    def _asked(self, request: Request) -> None:
        self._check(request.url)

    def _connected(self, socket: WebSocket) -> None:
        self._check(socket.url)

    def _check(self, url: str) -> None:
        address = urlsplit(url)
        if address.scheme not in _AT_HOME and address.hostname != ports.LOOPBACK:
            self.troubles.append(f"a request to another machine: {url}")


async def sign_in(page: Page, key: str) -> Page:
    """Sign in with a key, as a person does."""
    await page.goto("/login")
    await page.get_by_label("API key").fill(key)
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_url(lambda url: not urlsplit(url).path.startswith("/login"))
    return page


async def visit(page: Page, path: str) -> Page:
    """Go to a page of the console, and wait until it lives and shows what it asked for."""
    await page.goto(path)
    await page.wait_for_function("() => window.socket?.connected !== false && !document.querySelector('.pulse')")
    return page


async def serious_violations(page: Page) -> list[str]:
    """Accessibility violations of the page: each with where it is."""
    await page.evaluate(_SETTLED)
    results = await Axe().run(page)
    return [
        f"{each['id']}: {[(node['html'][:160], node['failureSummary']) for node in each['nodes'][:3]]}"
        for each in results.response["violations"]
        if each["impact"] in _SERIOUS
    ]


async def picture(page: Page, path: Path) -> None:
    """Write what the tab shows, in so few colours that it stays small."""
    path.parent.mkdir(parents=True, exist_ok=True)
    taken = Image.open(BytesIO(await page.screenshot(animations="disabled")))
    taken.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
