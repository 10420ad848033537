"""AWS on a bad day: a proxy before the emulator that throttles, and loses answers, on the wire."""

from collections import Counter
from typing import Any, Self

from aiohttp import web
from microburst.app import make_app
from microburst.core.pipeline import Microburst

from local_stack import ports


class FaultyAws:
    """An AWS endpoint that forwards to `upstream` the calls without a fault. An asynchronous context manager.

    A fault affects the next `times` calls of an operation, in the order in which faults were requested.
    """

    def __init__(self, upstream: str) -> None:
        self.port = ports.free_port()
        self.url = f"http://{ports.LOOPBACK}:{self.port}"
        self._proxy = Microburst(upstream, resign=False)
        self._runner: web.AppRunner | None = None

    def throttle(self, service: str, operation: str, times: int) -> None:
        """Refuse calls, as AWS throttles."""
        self._befall(service, operation, times, error={"code": "ThrottlingException", "status": 400})

    def lose_answer(self, service: str, operation: str, times: int) -> None:
        """Let calls have their effect, and cut the connection before a byte of the answer's body."""
        self._befall(service, operation, times, response={"abort_bytes": 0})

    @property
    def befallen(self) -> Counter[str]:
        """How many calls had faults, by operation."""
        return Counter(str(event.operation) for event in self._proxy.fired)

    def _befall(self, service: str, operation: str, times: int, **effect: Any) -> None:
        self._proxy.engine.add_rules([{"service": service, "operation": operation, "times": times, **effect}])

    async def __aenter__(self) -> Self:
        # A long poll in progress may take 20 s; a timeout of 0 would be none.
        self._runner = web.AppRunner(make_app(self._proxy), access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, ports.LOOPBACK, self.port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
