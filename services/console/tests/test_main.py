"""The console's own process: its command line, health checks and site."""

import asyncio
import os
import signal
import subprocess
import sys

import httpx
import pytest
from typer.testing import CliRunner

from console.main import commands
from local_stack import ports
from testkit import eventually

KEYS = (
    '[{"name": "reader", "sha256": "3d0941964aa3ebdcb00ccef58b1bb399f9f898465e9886d5aec7f31090a0fb30",'
    ' "scopes": ["read"]}]'
)


def _environment(port: int, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "API_PORT": str(port), "API_KEYS": KEYS, "SHUTDOWN_GRACE_SECONDS": "5", **more}


async def test_process_without_a_database_serves_pages_health_and_metrics_until_sigterm() -> None:
    port = ports.free_port()
    environment = _environment(port, EVENT_SERVICE_URL=f"http://127.0.0.1:{ports.free_port()}")
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "console", "run", env=environment)
    try:
        await eventually(lambda: asyncio.to_thread(ports.http_status, port, "/readyz"), 120)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            assert (await client.get("/readyz")).json() == {"status": "ready", "checks": {}}
            assert (await client.get("/healthz")).json() == {"status": "ok"}

            async def measured() -> bool:
                return "almanac_event_loop_lag_seconds" in (await client.get("/metrics")).text

            await eventually(measured)
            page = await client.get("/", headers={"accept": "text/html"})
            assert (page.status_code, page.headers["location"]) == (303, "/login")
            assert (await client.post("/login", data={"key": "reader"})).status_code == 303
            api = await client.get("/v1/metrics/overview", headers={"Authorization": "Bearer reader"})
            assert (api.status_code, api.headers["content-type"]) == (404, "application/problem+json")
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 60) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def test_invalid_setting_is_named_and_ends_the_process() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "console", "run"],
        env=_environment(0, EVENT_SERVICE_URL="event-service:8000"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert "console: setting EVENT_SERVICE_URL: must begin with http:// or https://" in ran.stderr


@pytest.mark.parametrize(("arguments", "status"), [(["roles"], 0), (["run", "api"], 2)])
def test_console_is_the_only_role(arguments: list[str], status: int) -> None:
    result = CliRunner().invoke(commands, arguments)
    assert result.exit_code == status
    assert "console" in result.output
