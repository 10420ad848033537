"""The console beside the API in one process."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

import httpx

from analytics_service.main import SERVICE
from analytics_service.settings import Settings
from chassis.core.lifecycle import Role
from chassis.service.runtime import Runtime
from testkit import eventually


async def test_console_serves_all_paths_outside_the_api(
    framework: None,
    runtime: Runtime[Settings],
    running: Callable[[Sequence[Role]], AbstractAsyncContextManager[None]],
) -> None:
    app = SERVICE.app(runtime)
    roles = SERVICE.sites["console"](runtime, app)
    async with (
        running(roles),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client,
    ):
        assert (await client.get("/", headers={"accept": "text/html"})).headers["location"] == "/login"
        assert (await client.post("/login", data={"key": "reader"})).status_code == 303

        async def shown() -> bool:
            return "x-nicegui-content" in (await client.get("/")).headers

        await eventually(shown)

        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await client.get("/v1/metrics/overview")).status_code == 401
        authorized = {"Authorization": "Bearer reader"}
        assert (await client.get("/v1/metrics/overview", headers=authorized)).status_code == 200
        for method, address, status in (("GET", "/v1/nowhere", 404), ("POST", "/healthz", 405)):
            refused = await client.request(method, address, headers=authorized)
            assert refused.status_code == status
            assert refused.headers["content-type"] == "application/problem+json"


def test_the_other_roles_do_without_the_consoles_framework() -> None:
    code = "import sys; from analytics_service.main import SERVICE; sys.exit('nicegui' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
