"""Imports of many lines: all of them, once, in chunks. ``make test-migration`` runs it with 100,000."""

import json
import os
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
from event_scenario import Scenario

from event_service.settings import Settings

LINES = int(os.environ.get("IMPORT_LINES", "5000"))
PEOPLE = 100
HEADERS = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """No relay sends what an import announces: it must not wait for that."""
    return settings.model_copy(update={"outbox_backlog_limit": 10 * LINES})


@pytest.fixture(autouse=True)
async def people(scenario: Scenario) -> None:
    await scenario.at("2026-10-01T00:00Z")
    await scenario.receive(*(scenario.user(external_id=f"crm-{number}") for number in range(PEOPLE)))


async def _body(kind: str) -> AsyncIterator[bytes]:
    for number in range(LINES):
        line: dict[str, Any] = {"externalKey": f"{kind}-{number}", "userExternalId": f"crm-{number % PEOPLE}"}
        at = f"2026-10-{2 + number % 28:02}T{number % 24:02}:00:00"
        if kind == "schedules":
            line |= {"label": "Pills", "rule": {"kind": "RRULE", "startLocal": at, "rrule": "FREQ=WEEKLY"}}
        elif kind == "events":
            line |= {"at": f"{at}Z", "message": "Hey", "idempotencyKey": f"old-{number}"}
        else:
            past = f"2026-{1 + number % 9:02}-02T09:00:00Z"
            line |= {"eventType": "BIRTHDAY", "status": "COMPLETED", "targetTimestampUTC": past}
        yield json.dumps(line).encode() + b"\n"


async def _send(api: httpx.AsyncClient, kind: str, key: str) -> Mapping[str, Any]:
    headers = HEADERS | {"Idempotency-Key": f"{kind}-{key}"}
    answer = await api.post(f"/v1/imports/{kind}", content=_body(kind), headers=headers, timeout=None)
    assert answer.status_code == 200, answer.text
    job: dict[str, Any] = answer.json()
    return job


@pytest.mark.timeout(120 + LINES / 50)
@pytest.mark.parametrize("kind", ["schedules", "events", "history"])
async def test_every_line_of_a_large_file_is_taken_once(
    scenario: Scenario, editor: httpx.AsyncClient, kind: str
) -> None:
    first = await _send(editor, kind, "first")
    assert (first["created"], first["refused"]) == (LINES, 0)
    again = await _send(editor, kind, "again")
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, LINES)
    # Those of the users' own birthdays are called by their year.
    [events] = await scenario.rows(
        "SELECT count(*) AS n FROM events WHERE occurrence <> '2026' AND occurrence <> '2027'"
    )
    assert events.n == LINES
    announced = await scenario.rows("SELECT count(DISTINCT item_id) AS n FROM outbox")
    assert announced[0].n == LINES + PEOPLE
