"""The message of each channel, and the handling of its responses."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr
from respx import MockRouter
from standardwebhooks import Webhook

from analytics_service.adapters.alert_emails import AlertEmails
from analytics_service.adapters.alert_webhooks import AlertWebhook
from analytics_service.adapters.pagerduty import PagerDuty
from analytics_service.adapters.posting import Posting
from analytics_service.adapters.slack import Slack
from analytics_service.domain.alert_notifications import Action, AlertNotification, NotSentError, retry_delay
from analytics_service.domain.alerts import Severity
from analytics_service.settings import webhook_key
from chassis.core.usage import Usage
from chassis.messaging.aws import AwsAccess, AwsClient
from testkit import AwsAccount

PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"
SLACK = "https://hooks.slack.com/services/T0/B0/very-secret"
RECEIVER = "https://ops.example.org/alerts"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CONSOLE = "https://console.example.org"
RUNBOOK = "https://wiki.example.org/operations#circuitopen"
FIRED = datetime(2026, 11, 23, 14, tzinfo=UTC)


def notice(action: Action = Action.TRIGGER, **changes: Any) -> AlertNotification:
    return AlertNotification(
        **{
            "id": UUID(int=7),
            "channel": "any",
            "dedup_key": "CircuitOpen-0123456789abcdef",
            "action": action,
            "rule": "CircuitOpen",
            "severity": Severity.WARNING,
            "summary": "<!channel> is left alone",
            "labels": {"endpointId": "0193"},
            "value": 1.0,
            "at": FIRED,
            "fired_at": FIRED,
            "runbook": RUNBOOK,
            "by": "ada" if action is Action.ACKNOWLEDGE else None,
            **changes,
        }
    )


@pytest.fixture
def outside() -> MockRouter:
    return MockRouter()


@pytest.fixture
async def posting(outside: MockRouter) -> AsyncIterator[Posting]:
    opened = Posting(httpx.MockTransport(outside.async_handler))
    yield opened
    await opened.aclose()


def _body(outside: MockRouter) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(outside.calls.last.request.content)
    return body


async def test_pagerduty_opens_acknowledges_and_resolves_one_incident(posting: Posting, outside: MockRouter) -> None:
    outside.post(PAGERDUTY).respond(202, json={"status": "success"})
    channel = PagerDuty(posting, url=PAGERDUTY, routing_key="R0", links=CONSOLE)
    await channel.send(notice(severity=Severity.CRITICAL))
    assert _body(outside) == {
        "routing_key": "R0",
        "event_action": "trigger",
        "dedup_key": "CircuitOpen-0123456789abcdef",
        "payload": {
            "summary": "CircuitOpen: <!channel> is left alone",
            "source": "almanac",
            "severity": "critical",
            "timestamp": "2026-11-23T14:00:00+00:00",
            "component": "0193",
            "class": "CircuitOpen",
            "custom_details": {
                "value": 1.0, "labels": {"endpointId": "0193"}, "runbook": RUNBOOK,
            },
        },
        "links": [{"href": RUNBOOK, "text": "What to do"}],
        "client": "Almanac",
        "client_url": CONSOLE,
    }  # fmt: skip
    for action in (Action.ACKNOWLEDGE, Action.RESOLVE):
        await channel.send(notice(action))
        assert _body(outside) == {
            "routing_key": "R0", "event_action": action, "dedup_key": "CircuitOpen-0123456789abcdef",
        }  # fmt: skip


async def test_a_page_that_an_older_release_wrote_down_is_sent_without_a_link(
    posting: Posting, outside: MockRouter
) -> None:
    outside.post(PAGERDUTY).respond(202, json={"status": "success"})
    await PagerDuty(posting, url=PAGERDUTY, routing_key="R0", links=None).send(notice(runbook="circuitopen"))
    assert "links" not in _body(outside)


async def test_slack_message_describes_the_alert_and_mentions_no_user(posting: Posting, outside: MockRouter) -> None:
    outside.post(SLACK).respond(200, text="ok")
    channel = Slack(posting, url=SLACK, links=CONSOLE)
    said = []
    for each in (notice(), notice(Action.ACKNOWLEDGE), notice(Action.RESOLVE)):
        await channel.send(each)
        said.append(_body(outside)["text"])
    assert all("<!channel>" not in text and "&lt;!channel&gt;" in text and CONSOLE in text for text in said)
    assert "ada has seen it" in said[1]
    assert "is over" in said[2]
    assert all(f"<{RUNBOOK}|runbook>" in text for text in said)


async def test_receiver_can_verify_the_signature_of_a_notification(posting: Posting, outside: MockRouter) -> None:
    outside.post(RECEIVER).respond(204)
    channel = AlertWebhook(posting, url=RECEIVER, key=webhook_key(SecretStr(SECRET)))
    await channel.send(notice())
    request = outside.calls.last.request
    told = Webhook(SECRET).verify(request.content, dict(request.headers))
    assert told["type"] == "alert.trigger"
    assert told["data"] == {
        "dedupKey": "CircuitOpen-0123456789abcdef", "rule": "CircuitOpen", "severity": "warning",
        "summary": "<!channel> is left alone", "labels": {"endpointId": "0193"}, "value": 1.0,
        "firedAt": "2026-11-23T14:00:00Z", "runbook": RUNBOOK, "by": None,
    }  # fmt: skip
    await channel.send(notice())
    assert outside.calls.last.request.headers["webhook-id"] == request.headers["webhook-id"] == str(UUID(int=7))


@pytest.mark.parametrize(("status", "hopeless"), [(400, True), (422, True), (403, False), (429, False), (503, False)])
async def test_a_refusal_is_an_error_without_the_secret_address(
    posting: Posting, outside: MockRouter, status: int, hopeless: bool
) -> None:
    outside.post(SLACK).respond(status, text=f"no_service at {SLACK}")
    with pytest.raises(NotSentError) as refused:
        await Slack(posting, url=SLACK, links=None).send(notice())
    assert refused.value.hopeless is hopeless
    assert str(status) in str(refused.value)
    assert "very-secret" not in str(refused.value)


async def test_unreachable_receiver_is_an_error(posting: Posting, outside: MockRouter) -> None:
    outside.post(SLACK).mock(side_effect=httpx.ConnectError("nobody"))
    with pytest.raises(NotSentError, match="ConnectError"):
        await Slack(posting, url=SLACK, links=None).send(notice())


@pytest.fixture
async def ses(aws: AwsAccount, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[str | None], AwsClient]]:
    """`ses()` is a client of the emulator's SES, `ses(address)` of the delivered messages."""
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    opened: list[AwsClient] = []

    def make(address: str | None = None) -> AwsClient:
        access = AwsAccess(aws.region, address or aws.endpoint_url, connections=1, connect_seconds=1)
        opened.append(AwsClient("sesv2", access, Usage()))
        return opened[-1]

    yield make
    for each in opened:
        await each.aclose()


async def test_email_goes_to_all_recipients(
    aws: AwsAccount, ses: Callable[..., AwsClient], sent_emails: Callable[[], Awaitable[list[dict[str, Any]]]]
) -> None:
    channel = AlertEmails(ses(), sender="almanac@example.org", receivers=["a@x.org", "b@x.org"], links=CONSOLE)
    await channel.send(notice())
    await channel.send(notice(Action.ACKNOWLEDGE))
    first, second = await sent_emails()
    text = json.dumps(first)
    assert "a@x.org" in text
    assert "b@x.org" in text
    assert "[warning] CircuitOpen fires" in text
    assert "endpointId: 0193" in text
    assert "[warning] CircuitOpen has been seen" in json.dumps(second)


async def test_an_email_that_ses_does_not_take_is_an_error(ses: Callable[..., AwsClient]) -> None:
    channel = AlertEmails(ses("http://127.0.0.1:1"), sender="a@x.org", receivers=["b@x.org"], links=None)
    with pytest.raises(NotSentError):
        await channel.send(notice())


def test_the_pause_between_attempts_grows_to_its_cap() -> None:
    assert [retry_delay(attempts) for attempts in (1, 2, 3, 7, 8, 100)] == [5, 10, 20, 300, 300, 300]


@pytest.fixture
def sent_emails(aws: AwsAccount) -> Callable[[], Awaitable[list[dict[str, Any]]]]:
    """What the emulator's SES was given by this account."""

    async def read() -> list[dict[str, Any]]:
        async with httpx.AsyncClient() as client:
            answer = await client.get(
                f"{aws.endpoint_url}/_ministack/ses/messages", params={"account": aws.access_key_id}
            )
        messages: list[dict[str, Any]] = answer.json()["messages"].get(aws.access_key_id, [])
        return messages

    return read
