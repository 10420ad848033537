"""``/healthz``, ``/readyz`` and ``/metrics``, open to everyone, on every role (docs/architecture.md#http-apis)."""

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from chassis.telemetry import metrics

Check = Callable[[], Awaitable[str | None]]
"""Returns None where all is well, else one line that says what is missing and how to mend it."""

CHECK_SECONDS = 3.0


class Readiness:
    """The dependencies that a process needs. Away ones make it unready, not dead."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}

    def add(self, name: str, check: Check) -> None:
        self._checks[name] = check

    async def report(self) -> dict[str, str]:
        """Each dependency's name with ``ok`` or the reason."""
        names = list(self._checks)
        reasons = await asyncio.gather(*(self._ask(self._checks[name]) for name in names))
        return dict(zip(names, reasons, strict=True))

    @staticmethod
    async def _ask(check: Check) -> str:
        try:
            return await asyncio.wait_for(check(), CHECK_SECONDS) or "ok"
        except Exception as error:  # the answer of a health check is the error itself
            return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no answer'}"


def router(readiness: Readiness) -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @routes.get("/readyz")
    async def readyz() -> JSONResponse:
        report = await readiness.report()
        ready = all(reason == "ok" for reason in report.values())
        return JSONResponse({"status": "ready" if ready else "unready", "checks": report}, 200 if ready else 503)

    @routes.get("/metrics")
    async def prometheus() -> Response:
        body, media_type = await asyncio.to_thread(metrics.render)
        return Response(body, media_type=media_type)

    return routes
