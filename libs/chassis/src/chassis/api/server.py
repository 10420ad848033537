"""The HTTP server as a role."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from fastapi import FastAPI

from chassis.lifecycle import first_of

log = structlog.get_logger(__name__)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Signals belong to the lifecycle, which stops all roles of the process.
        yield


class HttpServer:
    """Serves ``app`` until told to stop, then lets requests under way finish."""

    name = "http"

    def __init__(self, app: FastAPI, *, host: str, port: int, grace_seconds: float) -> None:
        self._host = host
        self._port = port
        self._server = _Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                http="httptools",
                loop="none",
                timeout_graceful_shutdown=max(1, int(grace_seconds)),
                server_header=False,
            )
        )

    async def run(self, stopping: asyncio.Event) -> None:
        """Raises OSError where the address is taken."""
        try:
            listener = socket.create_server((self._host, self._port), backlog=2048)
        except OSError as error:
            raise OSError(
                error.errno, f"cannot listen on {self._host}:{self._port} (API_HOST, API_PORT): {error.strerror}"
            ) from error
        log.info("listening", host=self._host, port=listener.getsockname()[1])
        serving = asyncio.create_task(self._server.serve(sockets=[listener]))
        await first_of(asyncio.shield(serving), stopping.wait())
        self._server.should_exit = True
        await serving
