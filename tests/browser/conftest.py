"""A running stack, and a browser that looks at its console. `make test-browser` runs this, `make test` does not."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from live_stack import LiveStack
from playwright.async_api import (
    Browser,
    BrowserContext,
    Page,
    ViewportSize,
    async_playwright,
)
from tabs import OpenPage, Scheme, Watch, sign_in

from local_stack import ports
from testkit import Receiver
from testkit.full_stack import KEY, READ_KEY, RunningStack, running_stack

CHROMIUM = "/usr/bin/chromium"
# Names resolve to nothing: what a page asks of another machine fails, even where no test looks at it.
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {ports.LOOPBACK}",
]
_DESKTOP = ViewportSize(width=1280, height=900)
_PHONE = ViewportSize(width=390, height=844)
_PATIENCE_MS = 20_000


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", type=Path, help="write a picture of every page, light and dark, to this folder")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # One loop for the session, because the browser lives in it.
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """The whole system, once for all tests."""
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's chromium."""
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield running
        await running.close()


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(stack: RunningStack, browser: Browser) -> AsyncIterator[OpenPage]:
    """`await open_page(scheme="dark", phone=True)`: a tab with cookies of its own, at no address yet.

    At the end of the test none of them may have met an error, or asked anything of another machine.
    """
    watches: list[Watch] = []
    async with AsyncExitStack() as contexts:

        async def new(scheme: Scheme = "light", *, phone: bool = False) -> Page:
            context: BrowserContext = await browser.new_context(
                base_url=stack.analytics,
                viewport=_PHONE if phone else _DESKTOP,
                color_scheme=scheme,
                reduced_motion="reduce",
                locale="en-GB",
                timezone_id="UTC",
            )
            contexts.push_async_callback(context.close)
            context.set_default_timeout(_PATIENCE_MS)
            page = await context.new_page()
            watches.append(Watch(page))
            return page

        yield new
    troubles = [trouble for watch in watches for trouble in watch.troubles]
    assert troubles == []


@pytest_asyncio.fixture(loop_scope="session")
async def page(open_page: OpenPage) -> Page:
    """A tab that is signed in nowhere."""
    return await open_page()


@pytest_asyncio.fixture(loop_scope="session")
async def signed_in(page: Page) -> Page:
    """A tab of a read-write session."""
    return await sign_in(page, KEY)


@pytest_asyncio.fixture(loop_scope="session")
async def reader(open_page: OpenPage) -> Page:
    """A tab of a read-only session."""
    return await sign_in(await open_page(), READ_KEY)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A client with a key that may do everything."""
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}, timeout=30, trust_env=False) as client:
        yield client


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def live(stack: RunningStack, http: httpx.AsyncClient) -> LiveStack:
    """Makes something go on in the stack."""
    return LiveStack(stack, http)


@pytest_asyncio.fixture(loop_scope="session")
async def receiver() -> AsyncIterator[Receiver]:
    """A webhook endpoint with scripted responses, in the loop of the browser."""
    async with Receiver() as running:
        yield running
