"""How far a redrive is, as it is shown."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fake_services import FakeServices
from nicegui.testing import User

ID = "0190163d-8694-739b-aea5-966c26f8ad91"
LogIn = Callable[[str], AbstractAsyncContextManager[User]]


def _nothing_given_up(services: FakeServices) -> None:
    services.answers("GET", "delivery-service/v1/dead-letters", {"items": [], "nextCursor": None})
    services.answers("GET", "delivery-service/v1/endpoints", {"items": [], "nextCursor": None})


async def test_a_redrive_that_is_done_when_its_page_opens_is_shown_as_done(
    services: FakeServices, logged_in: LogIn
) -> None:
    at = "2026-11-23T14:00:00Z"
    done = {"id": ID, "total": 2, "redriven": 2, "skipped": 0, "createdAt": at, "finishedAt": at}
    services.answers("GET", f"delivery-service/v1/dead-letters/redrives/{ID}", done)
    _nothing_given_up(services)
    async with logged_in("writer") as user:
        await user.open(f"/dead-letters?redrive={ID}")
        await user.should_see("Done: 2 of 2 sent again.")
        await user.should_see("Nothing is given up")


async def test_running_redrive_can_be_stopped(services: FakeServices, logged_in: LogIn) -> None:
    at, path = "2026-11-23T14:00:00Z", f"delivery-service/v1/dead-letters/redrives/{ID}"
    running = {"id": ID, "total": 9, "redriven": 2, "skipped": 0, "createdAt": at, "finishedAt": None}
    stopped = {**running, "finishedAt": at, "cancelled": True}
    services.answers("GET", path, running)
    services.answers("POST", f"{path}/cancel", stopped)
    _nothing_given_up(services)
    async with logged_in("writer") as user:
        await user.open(f"/dead-letters?redrive={ID}")
        await user.should_see("2 of 9 sent again …")
        services.answers("GET", path, stopped)
        user.find("Stop").click()
        await user.should_see("Stopped: 2 of 9 sent again.")
    assert services.keys_of("POST", f"{path}/cancel") == ["writer"]
