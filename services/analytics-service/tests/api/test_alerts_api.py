"""Alerts and silences over HTTP: active alerts, acknowledgements and silences."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from alert_scenarios import BROKEN, WELL
from sqlalchemy import text

from analytics_service.api.alert_schemas import AlertLabels
from analytics_service.application.alerting import judge
from analytics_service.domain.alert_rules import NAMES, RULES
from analytics_service.domain.observations import Observations
from analytics_service.main import SERVICE
from analytics_service.roles import alert_policy
from analytics_service.settings import Settings
from chassis.service.runtime import Runtime
from testkit.refusals import refused_cheaply, unknown_fields

AT_ONCE = {rule.name: replace(rule, for_seconds=0, clear_seconds=0) for rule in RULES}
See = Callable[..., Awaitable[None]]


@pytest.fixture
async def settings(settings: Settings) -> Settings:
    """With two channels, one of which receives warnings."""
    changed = {"pagerduty_routing_key": "R0", "slack_webhook_url": "https://hooks.slack.com/services/x"}
    return Settings.model_validate(
        {**settings.model_dump(), **changed, "alert_rules": {"QueueBacklog": {"threshold": 7}}}
    )


@pytest.fixture
async def writer(runtime: Runtime[Settings]) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=SERVICE.app(runtime))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://test", headers={"Authorization": "Bearer writer"}
    ) as opened:
        yield opened


@pytest.fixture
def see(runtime: Runtime[Settings]) -> See:
    """`await see(observations, "QueueBacklog")` judges by these rules, without any waiting."""

    async def judged(observations: Observations, *names: str) -> None:
        async with runtime.database.transaction() as tx:
            rules = [AT_ONCE[name] for name in names or NAMES]
            await judge(tx, observations, rules, alert_policy(runtime.settings))

    return judged


async def _get(client: httpx.AsyncClient, path: str, **params: Any) -> dict[str, Any]:
    answer = await client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def _rules(client: httpx.AsyncClient, **params: Any) -> list[str]:
    return [each["rule"] for each in (await _get(client, "/v1/alerts", **params))["items"]]


async def _notifications(runtime: Runtime[Settings]) -> list[tuple[str, str]]:
    async with runtime.database.read() as connection:
        rows = await connection.execute(text("SELECT channel, action FROM notifications ORDER BY id"))
        return [(row.channel, row.action) for row in rows]


async def test_alerts_are_listed_by_state_and_severity(client: httpx.AsyncClient, see: See) -> None:
    both = replace(BROKEN["QueueBacklog"], delivery=BROKEN["CircuitOpen"].delivery)
    await see(replace(both, events=BROKEN["CriticalEventsOverdue"].events), "QueueBacklog", "CriticalEventsOverdue")
    assert set(await _rules(client)) == {"QueueBacklog", "CriticalEventsOverdue"}
    assert await _rules(client, severity="critical") == ["CriticalEventsOverdue"]
    assert await _rules(client, state="resolved") == []
    (alert,) = (await _get(client, "/v1/alerts", severity="warning"))["items"]
    assert alert["labels"] == {"service": "event-service", "queue": "bday-analytics"}
    assert alert["summary"] == "5001 messages wait in bday-analytics"
    assert (alert["state"], alert["value"], alert["silenced"]) == ("firing", 5001, False)
    assert alert["runbook"] == "docs/operations.md#queuebacklog"
    for _ in range(2):
        await see(WELL, "QueueBacklog", "CriticalEventsOverdue")
    assert await _rules(client) == []
    assert len(await _rules(client, state="resolved")) == 2
    first = await _get(client, "/v1/alerts", state="resolved", limit=1)
    second = await _get(client, "/v1/alerts", state="resolved", limit=1, cursor=first["nextCursor"])
    assert {first["items"][0]["rule"], second["items"][0]["rule"]} == {"QueueBacklog", "CriticalEventsOverdue"}
    assert second["nextCursor"] is None


async def test_who_has_seen_an_alert_is_kept_and_said(
    client: httpx.AsyncClient, writer: httpx.AsyncClient, runtime: Runtime[Settings], see: See
) -> None:
    await see(BROKEN["ServiceDown"], "ServiceDown")
    (alert,) = (await _get(client, "/v1/alerts"))["items"]
    path = f"/v1/alerts/{alert['id']}/acknowledge"
    answer = await writer.post(path, json={"note": "looking at it"})
    assert answer.status_code == 200, answer.text
    known = answer.json()
    assert (known["acknowledgedBy"], known["note"], known["state"]) == ("writer", "looking at it", "firing")
    assert await _notifications(runtime) == [
        ("pagerduty", "trigger"), ("slack", "trigger"), ("pagerduty", "acknowledge"), ("slack", "acknowledge"),
    ]  # fmt: skip
    for _ in range(2):
        await see(WELL, "ServiceDown")
    history = (await _get(client, "/v1/alerts/history", alertId=alert["id"]))["items"]
    assert [(each["change"], each["by"], each["note"]) for each in history] == [
        ("resolved", None, None), ("acknowledged", "writer", "looking at it"), ("fired", None, None),
    ]  # fmt: skip
    assert (await _get(client, "/v1/alerts/history", rule="CircuitOpen"))["items"] == []
    over = await writer.post(path, json={})
    assert (over.status_code, over.json()["type"]) == (409, "urn:almanac:problem:alert-not-firing")
    missing = await writer.post(f"/v1/alerts/{uuid4()}/acknowledge", json={})
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:almanac:problem:alert-not-found")


async def test_acknowledged_alert_sends_no_reminder(
    client: httpx.AsyncClient, writer: httpx.AsyncClient, runtime: Runtime[Settings], see: See
) -> None:
    await see(BROKEN["CircuitOpen"], "CircuitOpen")
    (alert,) = (await _get(client, "/v1/alerts"))["items"]
    await writer.post(f"/v1/alerts/{alert['id']}/acknowledge", json={})
    async with runtime.database.transaction() as tx:
        await tx.execute(text("UPDATE alerts SET notified_at = notified_at - interval '1 day'"))
    await see(BROKEN["CircuitOpen"], "CircuitOpen")
    assert [each for each in await _notifications(runtime) if each[1] == "trigger"] == [("slack", "trigger")]


async def test_silence_is_created_listed_and_ended(
    client: httpx.AsyncClient, writer: httpx.AsyncClient, runtime: Runtime[Settings], see: See
) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    new = {
        "rule": "CircuitOpen",
        "labels": {"endpointId": "0193-endpoint"},
        "until": until.isoformat(),
        "reason": "moving",
    }
    answer = await writer.post("/v1/silences", json=new)
    assert answer.status_code == 201, answer.text
    silence = answer.json()
    assert (silence["createdBy"], silence["reason"], silence["endedAt"]) == ("writer", "moving", None)
    await see(BROKEN["CircuitOpen"], "CircuitOpen")
    (alert,) = (await _get(client, "/v1/alerts"))["items"]
    assert alert["silenced"]
    assert await _notifications(runtime) == []
    assert [each["id"] for each in (await _get(client, "/v1/silences", active=True))["items"]] == [silence["id"]]
    path = f"/v1/silences/{silence['id']}"
    assert [(await writer.delete(path)).status_code for _ in range(2)] == [204, 204]
    assert (await _get(client, "/v1/silences", active=True))["items"] == []
    (ended,) = (await _get(client, "/v1/silences"))["items"]
    assert ended["endedBy"] == "writer"
    await see(BROKEN["CircuitOpen"], "CircuitOpen")
    assert await _notifications(runtime) == [("slack", "trigger")]
    assert (await writer.delete(f"/v1/silences/{uuid4()}")).status_code == 404


async def test_a_silence_that_makes_no_sense_is_refused_by_field(writer: httpx.AsyncClient) -> None:
    good = {"until": (datetime.now(UTC) + timedelta(hours=1)).isoformat(), "reason": "moving"}
    for change, field in (
        ({"until": "2026-01-01T00:00:00Z"}, "until"),
        ({"rule": "Nonsense"}, "rule"),
        ({"reason": " "}, "reason"),
        ({"labels": {"queue": ""}}, "labels.queue"),
        ({"labels": {"quue": "bday-analytics"}}, "labels.quue"),
        ({"rules": []}, "rules"),
    ):  # fmt: skip
        answer = await writer.post("/v1/silences", json={**good, **change})
        assert answer.status_code == 422, change
        assert [each["field"] for each in answer.json()["errors"]] == [field]


def test_a_silence_can_name_whatever_an_alert_is_about() -> None:
    named = {field.alias for field in AlertLabels.model_fields.values()}
    told = {name for rule in RULES for reading in rule.measure(BROKEN[rule.name]) for name in reading.labels}
    assert told == named


async def test_rules_are_listed_as_in_force(client: httpx.AsyncClient) -> None:
    rules = {each["name"]: each for each in (await _get(client, "/v1/alerts/rules"))["rules"]}
    assert rules.keys() == set(NAMES)
    assert (rules["QueueBacklog"]["threshold"], rules["QueueBacklog"]["clearsAt"]) == (7, 7)
    assert rules["WebhookSuccessLow"]["below"] is True


@pytest.mark.parametrize(("count", "field"), [(15_000, "labels"), (80_000, "body")])
async def test_a_silence_with_any_number_of_labels_is_refused_cheaply(
    writer: httpx.AsyncClient, count: int, field: str
) -> None:
    content = f'{{"until":"2030-01-01T00:00:00Z","reason":"known","labels":{unknown_fields(count)}}}'
    [fault] = await refused_cheaply(writer, "POST", "/v1/silences", content)
    assert fault["field"] == field
