"""The content of a page without data, and without an answering service."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from fake_services import FakeServices
from nicegui.testing import User

from console.pages import PAGES

ID = "8e1f0d2c-5b0a-8c3e-9a2b-1c2d3e4f5a6b"
LogIn = Callable[[str], AbstractAsyncContextManager[User]]
NOTHING: Mapping[str, Any] = {"items": [], "nextCursor": None}


@pytest.mark.parametrize("path", [page.path for page in PAGES])
async def test_every_page_names_who_does_not_answer(logged_in: LogIn, path: str) -> None:
    address = path
    for name in ("event_id", "endpoint_id", "letter_id"):
        address = address.replace(f"{{{name}}}", ID)
    async with logged_in("reader") as user:
        await user.open(address)
        await user.should_see("-service does not answer", retries=30)


@pytest.mark.parametrize(
    ("path", "asked", "said"),
    [
        ("/events", ("event-service/v1/events",), "No event is like that."),
        ("/endpoints", ("delivery-service/v1/endpoints",), "There is no endpoint"),
        ("/dead-letters", ("delivery-service/v1/dead-letters", "delivery-service/v1/endpoints"), "Nothing is given up"),
        (
            "/alerts",
            ("analytics-service/v1/alerts", "analytics-service/v1/alerts/history", "analytics-service/v1/silences"),
            "Nothing fires",
        ),
    ],
)
async def test_empty_page_shows_a_notice(
    services: FakeServices, logged_in: LogIn, path: str, asked: tuple[str, ...], said: str
) -> None:
    for address in asked:
        services.answers("GET", address, NOTHING)
    async with logged_in("reader") as user:
        await user.open(path)
        await user.should_see(said, retries=30)


async def test_an_alert_that_fires_says_where_it_is_written_what_to_do(
    services: FakeServices, logged_in: LogIn
) -> None:
    at = "2026-11-23T14:00:00Z"
    alert = {
        "id": ID, "rule": "CircuitOpen", "severity": "warning", "state": "firing", "labels": {"endpointId": ID},
        "summary": "Cards is left alone", "value": 1, "since": at, "firedAt": at, "resolvedAt": None,
        "notifiedAt": None, "acknowledgedAt": None, "acknowledgedBy": None, "note": None, "flaps": 0,
        "silenced": False, "runbook": "docs/operations.md#circuitopen",
    }  # fmt: skip
    services.answers("GET", "analytics-service/v1/alerts", {"items": [alert], "nextCursor": None})
    for address in ("alerts/history", "silences"):
        services.answers("GET", f"analytics-service/v1/{address}", NOTHING)
    async with logged_in("reader") as user:
        await user.open("/alerts")
        await user.should_see("Cards is left alone", retries=30)
        await user.should_see("docs/operations.md#circuitopen")
        await user.should_see(f"/endpoints/{ID}")
