"""What many tabs show and one process asks for: each is polled on its own, while a page shows it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Generic, TypeVar

import structlog

from almanac_client import AlmanacError, ApiError
from chassis.core.lifecycle import first_of

log = structlog.get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Reading(Generic[T]):
    """The newest answer, when it came (monotonic seconds), and why there is no newer one."""

    value: T | None = None
    at: float | None = None
    error: str | None = None

    def age_seconds(self, now: float | None = None) -> float | None:
        """How old the value is; None where there is none yet."""
        return None if self.at is None else (time.monotonic() if now is None else now) - self.at


class Poller(Generic[T]):
    """One question, asked every so often while it is watched. Its slowness holds up nothing but itself."""

    def __init__(
        self, name: str, ask: Callable[[], Awaitable[T]], *, every_seconds: float, timeout_seconds: float = 4.0
    ) -> None:
        self.name = name
        self.every_seconds = every_seconds
        self._ask = ask
        self._timeout = timeout_seconds
        self._watchers = 0
        self._watched = asyncio.Event()
        self.reading: Reading[T] = Reading()

    def watch(self) -> None:
        """A page begins to show it."""
        self._watchers += 1
        self._watched.set()

    def unwatch(self) -> None:
        """A page stops showing it; no page: it is no longer asked."""
        self._watchers = max(0, self._watchers - 1)
        if self._watchers == 0:
            self._watched.clear()

    async def run(self, stopping: asyncio.Event) -> None:
        """Poll while a page shows it, until stopped."""
        while not stopping.is_set():
            if not self._watched.is_set():
                await first_of(self._watched.wait(), stopping.wait())
                continue
            await self.refresh()
            await first_of(stopping.wait(), timeout=self.every_seconds)

    async def refresh(self) -> Reading[T]:
        """Ask once, now. A failure keeps the last value, and says why it is old."""
        try:
            async with asyncio.timeout(self._timeout):
                value = await self._ask()
        except TimeoutError:
            self._failed(f"no answer within {self._timeout:g} s")
        except AlmanacError as error:
            self._failed(_reason(error))
        except Exception as error:  # an answer that cannot be read: shown in place of its value, and logged
            self._failed("the answer cannot be read")
            log.exception("feed failed", feed=self.name, error=repr(error))
        else:
            self.reading = Reading(value, time.monotonic())
        return self.reading

    def _failed(self, reason: str) -> None:
        self.reading = Reading(self.reading.value, self.reading.at, reason)


def _reason(error: AlmanacError) -> str:
    if isinstance(error, ApiError) and error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return f"{error.service} refused the console's key"
    return error.sentence()
