"""Bus and database restarted while a worker is in the middle of a hundred events."""

import asyncio
import json
import os
import sys
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from delivery_scene import Scene, due_event
from pydantic import SecretStr

from chassis.database.migrations import upgrade
from chassis.messaging import provisioning
from chassis.messaging.publisher import Outgoing
from chassis.service.runtime import Runtime, open_runtime
from contracts.due import parse_due_event
from contracts.vocabulary import EventType
from delivery_service.settings import Settings
from local_stack import ports
from local_stack.emulator import Emulator
from local_stack.postgres import NOT_DURABLE, PostgresServer
from testkit import AwsAccount, Receiver, eventually

DONE = "SELECT 1 FROM deliveries HAVING count(*) FILTER (WHERE status = 'SUCCEEDED') = 100"


@pytest.mark.slow
async def test_bus_and_database_restarted_in_the_middle_lose_nothing(
    receiver: Receiver,
    tmp_path: Path,
    pytestconfig: pytest.Config,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = PostgresServer(tmp_path / "data", ports.free_port(), NOT_DURABLE)
    emulator = Emulator(ports.free_port(), state_dir=tmp_path / "bus")
    server.start()
    emulator.start()
    try:
        url = await server.create_database("delivery")
        await upgrade(url, pytestconfig.rootpath / "services/delivery-service/migrations")
        environment = {
            **AwsAccount(endpoint_url=emulator.url).environment(),
            "SECRET_KEYS": b64encode(b"k" * 32).decode(),
            "WEBHOOK_ALLOWED_NETWORKS": '["127.0.0.0/8"]',
            "WEBHOOK_ALLOWED_PORTS": "[]",
            "DATABASE_URL": url,
            "API_PORT": str(ports.free_port()),
            "API_KEYS": json.dumps([{"name": "t", "sha256": sha256(b"key").hexdigest(), "scopes": ["read"]}]),
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        async with open_runtime(Settings(database_url=SecretStr(url)), name="delivery-service") as runtime:
            await provisioning.apply(runtime.bus)
            # Twenty a second, so that there is a middle to restart things in.
            scene = Scene(runtime.database, receiver)
            await scene.endpoint(rate_limit=20.0)
            with (tmp_path / "log").open("wb") as log:
                worker = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "delivery_service", "run", env=os.environ, stdout=log, stderr=log
                )
            try:
                dues = [due_event() for _ in range(100)]
                await _publish(runtime, dues[:50])
                await receiver.wait_for(10)
                await asyncio.to_thread(emulator.stop)
                await asyncio.to_thread(emulator.start)
                await _publish(runtime, dues[50:])
                await receiver.wait_for(60)
                await asyncio.to_thread(server.stop)
                await asyncio.to_thread(server.start)
                # The test's own connections are of before.
                await runtime.database.engine.dispose()
                await eventually(lambda: scene.rows(DONE), timeout=90)
                shown = await _deliveries(environment["API_PORT"])
            finally:
                worker.terminate()
                assert await worker.wait() == 0
    finally:
        emulator.kill()
        server.stop()
    event_ids = {due["eventId"] for due in dues}
    assert {request.headers["webhook-id"] for request in receiver.requests} == event_ids
    assert {each["eventId"]: each["status"] for each in shown} == dict.fromkeys(event_ids, "SUCCEEDED")


async def _deliveries(port: str) -> list[dict[str, Any]]:
    """What the worker's own API lists."""
    async with httpx.AsyncClient(headers={"Authorization": "Bearer key"}) as client:
        answer = await client.get(f"http://{ports.LOOPBACK}:{port}/v1/deliveries", params={"limit": 100})
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def _publish(runtime: Runtime[Settings], dues: list[dict[str, Any]]) -> None:
    bodies = [json.dumps(due) for due in dues]
    messages = [Outgoing(body, parse_due_event(body).attributes()) for body in bodies]
    topic = runtime.topology.topic(EventType.BIRTHDAY).name
    assert await runtime.publisher.publish(topic, messages) == [None] * len(dues)
