"""What a person does: only with a key that may, and never without a line in the log that says who did it."""

from collections.abc import Iterator
from typing import Any, cast

import pytest
import structlog
from structlog.testing import capture_logs

from almanac_client import AlmanacError, ApiError, NotReachableError
from chassis.api.auth import Principal
from chassis.core.settings import Scope
from console.dialogs import wrong_hours
from console.page import Visit
from console.sessions import Sessions


@pytest.fixture
def logs() -> Iterator[list[structlog.typing.EventDict]]:
    with capture_logs() as captured:
        yield captured


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The error that the user saw."""
    told: list[str] = []
    monkeypatch.setattr(Visit, "say", lambda _, text, *, wrong=False: told.append(text) if wrong else None)
    return told


def _visit(*scopes: Scope) -> Visit:
    sessions = Sessions(hours=1)
    session = sessions.find(sessions.open(Principal("ada", frozenset(scopes)), "secret"))
    assert session is not None
    return Visit(session, almanac=cast(Any, None), live=cast(Any, None), sessions=sessions, client=cast(Any, None))


async def test_a_key_that_may_only_read_does_nothing_and_the_attempt_is_logged(
    logs: list[structlog.typing.EventDict], said: list[str]
) -> None:
    async def never() -> int:
        raise AssertionError("the service must not be asked")

    assert await _visit("read").act("redrive dead letters", "all that are open", never) is None
    (entry,) = logs
    assert entry["event"] == "console action refused"
    assert (entry["action"], entry["target"], entry["by"]) == ("redrive dead letters", "all that are open", "ada")
    assert "may only look" in said[0]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ApiError("delivery-service", 403, "forbidden", "the key lacks the scope write", title="Forbidden"), 403),
        (NotReachableError("delivery-service", "delivery-service at http://10.0.0.7 does not answer"), None),
    ],
)
async def test_refused_or_unanswered_action_is_shown_and_logged_with_its_user(
    logs: list[structlog.typing.EventDict], said: list[str], error: AlmanacError, status: int | None
) -> None:
    async def refuse() -> int:
        raise error

    assert await _visit("read", "write").act("disable endpoint", "e-1", refuse) is None
    (entry,) = logs
    assert (entry["event"], entry["by"], entry["status"]) == ("console action failed", "ada", status)
    assert entry["service"] == "delivery-service"
    assert error.sentence() in said[0]


async def test_action_is_logged_with_its_user_and_without_the_key(
    logs: list[structlog.typing.EventDict], said: list[str]
) -> None:
    async def done() -> int:
        return 3

    assert await _visit("admin").act("discard dead letters", "those of e-1", done) == 3
    (entry,) = logs
    assert entry["event"] == "console action"
    assert (entry["action"], entry["target"], entry["by"]) == ("discard dead letters", "those of e-1", "ada")
    assert "secret" not in repr(logs)
    assert said == []


@pytest.mark.parametrize(
    ("hours", "fits"), [("0.5", True), ("336", True), ("0", False), ("337", False), ("nan", False), ("soon", False)]
)
def test_a_silence_is_for_some_hours_and_two_weeks_at_most(hours: str, fits: bool) -> None:
    assert (wrong_hours(hours) is None) is fits
