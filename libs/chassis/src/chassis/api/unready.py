"""A process that lacks a setting: it only reports this, at ``/readyz``."""

import asyncio
from collections.abc import Mapping

from fastapi import FastAPI

from chassis.api import health
from chassis.api.health import Check, Readiness
from chassis.api.server import HttpServer
from chassis.core.lifecycle import pause, run_roles


class _Until:
    """A role that stops the process after this many seconds."""

    name = "until"

    def __init__(self, seconds: float, over: asyncio.Event) -> None:
        self._seconds = seconds
        self._over = over

    async def run(self, stopping: asyncio.Event) -> None:
        await pause(stopping, self._seconds)
        self._over.set()


async def stay_unready(reasons: Mapping[str, str], *, host: str, port: int, seconds: float) -> None:
    """Answer health checks, unready for these reasons, until SIGTERM or for this many seconds."""
    readiness = Readiness()
    for name, reason in reasons.items():
        readiness.add(name, _always(reason))
    app = FastAPI(openapi_url=None)
    app.include_router(health.router(readiness))
    over = asyncio.Event()
    server = HttpServer(app, host=host, port=port, grace_seconds=1)
    await run_roles([server, _Until(seconds, over)], grace_seconds=5, stopping=over)


def _always(reason: str) -> Check:
    async def check() -> str:
        return reason

    return check
