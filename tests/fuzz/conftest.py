"""A service with all its roles as a process of its own, once it has taken one of every message."""

import asyncio
import hashlib
import json
import os
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from chassis.core.settings import BusSettings
from chassis.messaging import provisioning
from chassis.messaging.bus import Bus
from contracts import Bus as Carrier
from contracts import build_topology
from contracts.attributes import message_attributes
from contracts.messages.spec import MessageType
from contracts.vocabulary import EventType, Service
from local_stack import ports
from testkit import AwsAccount, eventually
from testkit.fuzzing import FuzzedService, RunService
from testkit.plugin import DatabaseFactory

KEY = "fuzz-key"
GOLDEN = Path(__file__).parents[2] / "libs/contracts/tests/golden"
EVENT_ID = json.loads((GOLDEN / "DueEvent.json").read_text())["eventId"]
HAS_ARRIVED = {
    Service.USER: (),
    Service.EVENT: ("/v1/events", "/v1/dead-letter-messages"),
    Service.DELIVERY: ("/v1/deliveries", "/v1/dead-letters"),
    Service.ANALYTICS: (f"/v1/events/{EVENT_ID}/timeline", "/v1/dead-letter-messages"),
}
"""What a service shows once it has taken one of every message that it subscribes to, and one that is none."""


@pytest.fixture
def run_service(database: DatabaseFactory, aws: AwsAccount, tmp_path: Path) -> RunService:
    """`async with run_service(Service.USER) as process` runs all roles of a service on samples of every message."""

    @asynccontextmanager
    async def run(service: Service) -> AsyncIterator[FuzzedService]:
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

        def ready() -> bool:
            if process.returncode is not None:
                log = (tmp_path / "log").read_text(errors="replace")
                raise AssertionError(f"{service.value} ended with {process.returncode}: {log[-3000:]}")
            return ports.http_status(port, "/readyz") == 200

        url, headers = f"http://{ports.LOOPBACK}:{port}", {"Authorization": f"Bearer {KEY}"}
        try:
            # Ten seconds on a quiet machine; the run has a low priority on a busy one.
            await eventually(ready, timeout=600, interval=0.1)
            async with httpx.AsyncClient(base_url=url, headers=headers, timeout=300) as client:
                for path in HAS_ARRIVED[service]:
                    await eventually(partial(_something_at, client, path), timeout=600, interval=0.1)
            yield FuzzedService(url, KEY, process.pid)
        finally:
            if process.returncode is None:
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
