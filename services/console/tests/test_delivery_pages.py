"""What pages make of what delivery-service says."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from console.markup import facts, joined
from console.pages import dead_letters, endpoint, endpoints
from console.pages.dead_letters import readable
from contracts.http.deliveries import DeadLetter, Endpoint, EndpointStats, Redrive

ID = "0190163d-8694-739b-aea5-966c26f8ad91"
AT = datetime(2026, 11, 23, 14, tzinfo=UTC)


def _endpoint(**fields: Any) -> Endpoint:
    plain: dict[str, Any] = {
        "id": ID, "kind": "webhook", "url": "https://example.org/hooks", "description": None, "eventTypes": (),
        "priorities": (), "tags": (), "timeoutSeconds": 30, "rateLimit": None, "concurrency": None,
        "retrySchedule": None, "signatureAlgorithm": "hmac-sha256", "previousSecretUntil": None, "enabled": True,
        "disabledReason": None, "disabledAt": None, "createdAt": AT,
    }  # fmt: skip
    return Endpoint.model_validate(plain | fields)


def _health(state: str = "CLOSED", **fields: Any) -> EndpointStats:
    plain: dict[str, Any] = {
        "circuit": {"state": state, "failuresInRow": 12, "failingSince": AT, "probeAt": AT},
        "deliveries": 10, "pending": 3, "succeeded": 5, "failed": 2, "successRate": 5 / 7, "attempts": 20,
        "latency": {"p50": 0.01, "p95": 0.2, "p99": 1.5}, "lastError": None,
    }  # fmt: skip
    return EndpointStats.model_validate(plain | fields)


def _letter(**fields: Any) -> DeadLetter:
    plain: dict[str, Any] = {
        "id": ID, "status": "OPEN", "reason": "exhausted", "detail": "HTTP 503", "deliveryId": ID, "eventId": ID,
        "userId": ID, "eventType": "BIRTHDAY", "priority": "CRITICAL", "endpointId": ID, "attempts": 3,
        "httpStatus": 503, "traceId": None, "queue": None, "createdAt": AT, "resolvedAt": None, "note": None,
    }  # fmt: skip
    return DeadLetter.model_validate(plain | fields)


def test_open_circuit_is_shown_by_a_word_and_a_colour() -> None:
    cells = endpoints.cells(endpoints.Row(_endpoint(), _health("OPEN")))
    assert cells[2] == '<span class="badge bad">Open</span>'
    assert [str(cell) for cell in cells[3:7]] == ["71.43 %", "3", "2", "200 ms"]


def test_endpoint_without_statistics_is_listed() -> None:
    cells = endpoints.cells(endpoints.Row(_endpoint(description="The inbox"), None))
    assert "The inbox" in str(cells[0])
    assert set(cells[2:]) == {"–"}


def test_the_last_error_says_what_and_when() -> None:
    error = {"status": "retry", "httpStatus": None, "error": "connection", "excerpt": None, "startedAt": AT,
             "durationSeconds": 0.1, "traceId": None}  # fmt: skip
    assert str(endpoints.cells(endpoints.Row(_endpoint(), _health(lastError=error)))[-1]).startswith("Connection, ")


@pytest.mark.parametrize(
    ("schedule", "said"),
    [(None, "the service's own backoff"), ((), "none"), ((1.0, 90.0), "after 1 s, 1 min 30 s")],
)
def test_retry_schedule_is_described(schedule: tuple[float, ...] | None, said: str) -> None:
    assert dict(endpoint.settings_facts(_endpoint(retrySchedule=schedule)))["Retries"] == said


def test_what_comes_from_a_receiver_is_text_and_never_markup() -> None:
    cells = dead_letters.cells(_letter(detail="<img src=x onerror=alert(1)>"), {UUID(ID): "<b>mine</b>"})
    shown = joined(cells)
    assert "<img" not in shown
    assert "<b>" not in shown
    assert "&lt;img" in shown


def test_unreadable_endpoint_is_shown_as_such() -> None:
    lost = _endpoint(kind="slack", url=None, unreadable=True, signatureAlgorithm=None)
    facts = dict(endpoint.settings_facts(lost))
    assert (facts["Address"], facts["Signature"]) == (endpoint.UNREADABLE, endpoint.UNREADABLE)
    assert "Unreadable" in str(endpoints.state_badge(lost))
    # Disabled is what matters more.
    assert "Disabled" in str(endpoints.state_badge(_endpoint(unreadable=True, enabled=False)))


def test_a_dead_letter_of_no_endpoint_has_no_link_to_one() -> None:
    assert dead_letters.cells(_letter(endpointId=None, deliveryId=None, reason="no_endpoint"), {})[4] == "–"


@pytest.mark.parametrize(
    ("redriven", "skipped", "finished", "said", "share"),
    [
        (0, 0, None, "0 of 8 sent again …", 0.0),
        (5, 1, None, "5 of 8 sent again, 1 could not be and are open still …", 0.75),
        (7, 1, AT, "Done: 7 of 8 sent again, 1 could not be and are open still. ", 1.0),
    ],
)
def test_redrive_progress_is_shown_in_words_and_as_a_share(
    redriven: int, skipped: int, finished: datetime | None, said: str, share: float
) -> None:
    redrive = Redrive.model_validate(
        {"id": ID, "total": 8, "redriven": redriven, "skipped": skipped, "createdAt": AT, "finishedAt": finished}
    )
    assert str(dead_letters.progress_words(redrive)).startswith(said)
    assert redrive.share == share


def test_a_redrive_that_was_cancelled_is_stopped_where_it_was() -> None:
    cancelled = {
        "id": ID,
        "total": 8,
        "redriven": 2,
        "skipped": 0,
        "createdAt": AT,
        "finishedAt": AT,
        "cancelled": True,
    }
    words = str(dead_letters.progress_words(Redrive.model_validate(cancelled)))
    assert words.startswith("Stopped: 2 of 8 sent again. ")


def test_empty_redrive_is_done_when_reported() -> None:
    nothing = {"id": ID, "total": 0, "redriven": 0, "skipped": 0, "createdAt": AT, "finishedAt": AT}
    assert Redrive.model_validate(nothing).share == 1.0


def test_json_payload_is_indented_and_other_text_is_unchanged() -> None:
    assert readable('{"name":"Zoë"}') == '{\n  "name": "Zoë"\n}'
    assert readable("not json") == "not json"


def test_facts_are_a_description_list() -> None:
    assert facts([("Kind", "<webhook>")]) == '<dl class="facts"><dt>Kind</dt><dd>&lt;webhook&gt;</dd></dl>'
