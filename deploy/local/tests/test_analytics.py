"""The console beside the API of analytics-service in one process."""

import asyncio
import hashlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from almanac_client import Almanac, Services
from analytics_service.settings import Settings
from chassis.core.usage import Usage
from chassis.service.runtime import Runtime, open_runtime
from chassis.service.usage import UsageRecorder
from console.data_sources import Processes, processes_of
from local_stack import ports
from local_stack.analytics import SERVICE
from testkit import AwsAccount, eventually
from testkit.plugin import DatabaseFactory


@pytest.fixture
async def runtime(
    database: DatabaseFactory, aws: AwsAccount, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Runtime[Settings]]:
    keys = [{"name": "reader", "sha256": hashlib.sha256(b"reader").hexdigest(), "scopes": ["read"]}]
    environment = {
        **aws.environment(),
        "DATABASE_URL": await database("analytics-service"),
        "AWS_ENDPOINT_URL": aws.endpoint_url,
        "API_KEYS": json.dumps(keys),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    async with open_runtime(Settings(), name="analytics-service") as opened:
        yield opened


async def test_console_serves_all_paths_outside_the_api(runtime: Runtime[Settings]) -> None:
    port = ports.free_port()
    command = [sys.executable, "-m", "local_stack.analytics", "run", "api", "console"]
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, "API_PORT": str(port)})
    authorized = {"Authorization": "Bearer reader"}
    try:
        await eventually(lambda: asyncio.to_thread(ports.http_status, port, "/healthz"), 120)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            assert (await client.get("/", headers={"accept": "text/html"})).headers["location"] == "/login"
            assert (await client.post("/login", data={"key": "reader"})).status_code == 303

            async def shown() -> bool:
                return "x-nicegui-content" in (await client.get("/")).headers

            await eventually(shown)
            assert (await client.get("/healthz")).json() == {"status": "ok"}
            assert (await client.get("/v1/metrics/overview")).status_code == 401
            assert (await client.get("/v1/metrics/overview", headers=authorized)).status_code == 200
            for method, address, status in (("GET", "/v1/nowhere", 404), ("POST", "/healthz", 405)):
                refused = await client.request(method, address, headers=authorized)
                assert refused.status_code == status
                assert refused.headers["content-type"] == "application/problem+json"
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 60) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_processes_that_have_recorded_their_time_are_counted_by_their_roles(
    runtime: Runtime[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic() - 60.0
    with monkeypatch.context() as patch:
        patch.setattr("chassis.service.usage.time.monotonic", lambda: began)
        recorders = [
            UsageRecorder(runtime.database, Usage(), process=roles)
            for roles in ("relay scheduler", "relay scheduler", "consumer")
        ]
    for each in recorders:
        await each.record()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=SERVICE.app(runtime))) as http:
        almanac = Almanac(Services(None, "http://test", None, None), "reader", http=http)
        found = processes_of("event-service", await almanac.events.usage())
    assert [Processes(each.service, each.role, round(each.number)) for each in found] == [
        Processes("event-service", "scheduler", 2),
        Processes("event-service", "consumer", 1),
        Processes("event-service", "relay", 2),
    ]
