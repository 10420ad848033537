"""Every API fuzzed by its OpenAPI document, with the routes that it has today.

A short fixed run here; `make fuzz CASES=10000` makes at least as many cases as it says of every service.
"""

import asyncio
import hashlib
import json
import os
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from chassis import provisioning
from chassis.messaging.bus import Bus
from chassis.settings import BusSettings
from contracts import Bus as Carrier
from contracts import build_topology
from contracts.attributes import message_attributes
from contracts.messages.spec import MessageType
from contracts.vocabulary import EventType, Service
from local_stack import ports
from local_stack.testkit import AwsAccount, eventually
from local_stack.testkit.fuzzing import fuzz
from local_stack.testkit.plugin import DatabaseFactory

CASES = int(os.environ.get("FUZZ_CASES", "0"))
EXAMPLES = 100 if CASES else 4
"""At random, of each operation and each way through several."""

BEYOND_SCHEMA = {
    Service.USER: {
        *("birth-in-future", "anniversary-in-future", "too-many-anniversaries", "import-body-changed"),
        *("as in the path, or be left out", "must be a language that CLDR knows"),
    },
    Service.EVENT: {
        *("exclusive-parameters", "invalid-rule", "invalid-template", "priority-too-low", "expiry-before-grace"),
        *("schedule-derived", "schedule-ended", "invalid-items", "impossible-time", "label-missing"),
        *("give exactly one of timezones, tags", "goes with a local time only", "is needed with a local time"),
        *("must be a language that CLDR knows", "is not the DTSTART of rrule", "is not the zone of the DTSTART"),
        *("unless rrule has a line DTSTART", "is not a line like DTSTART", "must have one RRULE and at most one"),
        *("needs a DTSTART with a TZID", "must be the zone of DTSTART"),
    },
    Service.DELIVERY: {
        *("reason-while-enabled", "url-refused", "header-refused", "secret-refused", "too-many-secrets"),
        *("not-of-this-kind", "not-redrivable", "contact-needed"),
    },
    Service.ANALYTICS: {"range-too-long", "silence-past"},
}
"""The problems that a request may meet though its schema allows it, by slug or by what their detail says."""

KEY = "fuzz-key"
GOLDEN = Path(__file__).parents[2] / "libs/contracts/tests/golden"
EVENT_ID = json.loads((GOLDEN / "DueEvent.json").read_text())["eventId"]
USER = json.loads((GOLDEN / "UserCreated.v1.0.json").read_text())["data"]["items"][0]
BEYOND_ANY_SCHEMA = {
    "idempotency-key-reused",
    *("must not contain the character U+", "must not have a name with the character", "must not be nested deeper"),
    # A cursor is of one list, and no schema says of which; a name may have letters that show nothing.
    *("not a cursor of this list", "must have a visible character", "must not have more than"),
    *("must be an integer of 64 bits", "must be a finite number", "must be earlier than `to`"),
}
"""What holds of every value, and would be said a hundred times."""
KNOWN = {
    Service.EVENT: {"userId": USER["userId"]},
    # Nobody listens there, so that what is sent ends on this machine.
    Service.DELIVERY: {"url": "https://127.0.0.1:1/hook"},
}
"""What a body can name that is really there."""
HAS_ARRIVED = {
    Service.USER: (),
    Service.EVENT: ("/v1/events", "/v1/dead-letter-messages"),
    Service.DELIVERY: ("/v1/deliveries", "/v1/dead-letters"),
    Service.ANALYTICS: (f"/v1/events/{EVENT_ID}/timeline", "/v1/dead-letter-messages"),
}
"""What a service shows once it has taken one of every message that it subscribes to, and one that is none."""

RunningService = Callable[[Service], AbstractAsyncContextManager[str]]


@pytest.fixture
def running_service(database: DatabaseFactory, aws: AwsAccount, tmp_path: Path) -> RunningService:
    """`async with running_service(Service.USER) as url` runs all roles of a service on samples of every message."""

    @asynccontextmanager
    async def run(service: Service) -> AsyncIterator[str]:
        port = ports.free_port()
        keys = [{"name": "f", "sha256": hashlib.sha256(KEY.encode()).hexdigest(), "scopes": ["read", "write", "admin"]}]
        environment = os.environ | {
            **aws.environment(),
            "DATABASE_URL": await database(service.value),
            "API_HOST": ports.LOOPBACK,
            "API_PORT": str(port),
            "API_KEYS": json.dumps(keys),
            "SECRET_KEYS": b64encode(bytes(32)).decode(),
            "WEBHOOK_ALLOWED_NETWORKS": '["127.0.0.0/8"]',
            "WEBHOOK_ALLOWED_PORTS": "[]",
        }
        await _send_samples(service, aws)
        with (tmp_path / "log").open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", service.value.replace("-", "_"), "run"),
                env=environment,
                stdout=output,
                stderr=output,
            )
        url, headers = f"http://{ports.LOOPBACK}:{port}", {"Authorization": f"Bearer {KEY}"}
        try:
            await eventually(lambda: ports.http_status(port, "/readyz") == 200, interval=0.1)
            async with httpx.AsyncClient(base_url=url, headers=headers) as client:
                for path in HAS_ARRIVED[service]:
                    await eventually(partial(_something_at, client, path), interval=0.1)
            yield url
        finally:
            process.terminate()
            await process.wait()

    return run


async def _something_at(client: httpx.AsyncClient, path: str) -> bool:
    answer = await client.get(path)
    body: dict[str, Any] = answer.json()
    return answer.status_code == 200 and bool(body.get("items") or body.get("entries"))


async def _send_samples(service: Service, aws: AwsAccount) -> None:
    topology = build_topology()
    settings = BusSettings(aws_endpoint_url=aws.endpoint_url, aws_region=aws.region, aws_account_id=aws.access_key_id)
    async with Bus(settings, topology, session=aws.session()) as bus:
        await provisioning.apply(bus)
        for type in MessageType:
            if type is not MessageType.USER_DELETED:  # it would take away what the others bring
                body = (GOLDEN / f"{type.value}.v1.0.json").read_text()
                carrier = Carrier.DEAD_LETTERS if type is MessageType.DEAD_LETTERED else Carrier.DOMAIN
                await _publish(bus, topology.topic(carrier).name, body, message_attributes(type, None))
        due = (GOLDEN / "DueEvent.json").read_text()
        await _publish(bus, topology.topic(EventType.BIRTHDAY).name, due, {"priority": "CRITICAL"})
        for queue in topology.queues_of(service):
            await bus.sqs.send_message(QueueUrl=await bus.queue_url(queue.name), MessageBody="not a message")


async def _publish(bus: Bus, topic: str, body: str, attributes: dict[str, str]) -> None:
    await bus.sns.publish(
        TopicArn=bus.topic_arn(topic),
        Message=body,
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value
        },
    )


@pytest.mark.timeout(7200 if CASES else 900)
@pytest.mark.parametrize("service", list(BEYOND_SCHEMA))
async def test_an_api_does_what_its_document_says_whatever_is_sent(
    service: Service, running_service: RunningService
) -> None:
    beyond, known = {*BEYOND_SCHEMA[service], *BEYOND_ANY_SCHEMA}, KNOWN.get(service)
    async with running_service(service) as url:
        result = await asyncio.to_thread(
            fuzz, url, KEY, examples=EXAMPLES, cases=CASES, beyond_schema=beyond, known=known
        )
    print(f"{service}: {result}")
    assert result.cases > 100
    assert not result.faults, str(result)
