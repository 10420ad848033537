"""Roles and how a process ends (docs/architecture.md#reliability-rules, rule 6).

A role runs until it is asked to stop, then finishes or releases its work and returns. SIGTERM and SIGINT
tell every role of the process to stop; a role that has not returned within the grace period is cancelled.
"""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)


class Role(Protocol):
    """One part of a service that runs for as long as the process does."""

    @property
    def name(self) -> str: ...

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until ``stopping`` is set, then drain and return. Raising ends the process."""


async def pause(stopping: asyncio.Event, seconds: float) -> bool:
    """Wait for ``seconds`` or until stopping, whichever is first. True where it is time to stop."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)
    return stopping.is_set()


class Stopping:
    """Whether the process stops, for requests that would outlast its grace period."""

    def __init__(self) -> None:
        self._calls: list[Callable[[], None]] = []
        self.begun = False

    def begin(self) -> None:
        """Call whatever is registered. Later calls do nothing."""
        if not self.begun:
            self.begun = True
            for call in list(self._calls):
                call()

    @contextmanager
    def calling(self, call: Callable[[], None]) -> Iterator[None]:
        """Have ``call`` called when the process stops meanwhile, or at once where it does."""
        self._calls.append(call)
        try:
            if self.begun:
                call()
            yield
        finally:
            self._calls.remove(call)


class Loop:
    """A role that repeats one step.

    ``step`` returns the seconds to wait before the next one (0: at once). When it raises, the error is logged and the
    step repeated with exponential backoff and jitter, so that a dependency's outage is survived and said.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], Awaitable[float]],
        *,
        wake: asyncio.Event | None = None,
        backoff_max_seconds: float = 10.0,
    ) -> None:
        self.name = name
        self._step = step
        self._wake = wake
        self._backoff_max = backoff_max_seconds

    async def run(self, stopping: asyncio.Event) -> None:
        failures = 0
        while not stopping.is_set():
            if self._wake is not None:
                self._wake.clear()
            try:
                delay = await self._step()
                failures = 0
            except Exception as error:
                failures += 1
                ceiling = min(self._backoff_max, 0.1 * 2**failures)
                delay = random.uniform(ceiling / 2, ceiling)
                # The first failure with its traceback, the following ones in a line: an outage must not flood the log.
                told = {"role": self.name, "failures": failures, "retry_in": round(delay, 2)}
                if failures == 1:
                    log.exception("step failed", **told)
                else:
                    log.warning("step still fails", error=repr(error), **told)
                await pause(stopping, delay)
                continue
            await self._sleep(stopping, delay)

    async def _sleep(self, stopping: asyncio.Event, delay: float) -> None:
        if delay <= 0:
            await asyncio.sleep(0)
        elif self._wake is None:
            await pause(stopping, delay)
        else:
            await first_of(stopping.wait(), self._wake.wait(), timeout=delay)


async def first_of(*waits: Awaitable[object], timeout: float | None = None) -> None:
    """Return when the first of ``waits`` does, or after ``timeout`` seconds; the others are cancelled.

    Raises:
        Exception: whatever a wait raised that ended by itself.
    """
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        ended, _ = await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def run_roles(roles: Sequence[Role], *, grace_seconds: float, stopping: asyncio.Event | None = None) -> int:
    """Run all roles until a signal, ``stopping``, or the failure of one of them.

    Returns the process's exit status: 0 after a clean stop, 1 where a role failed or had to be cancelled.
    """
    stop = stopping or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tasks = {asyncio.create_task(role.run(stop), name=role.name) for role in roles}
    try:
        await first_of(stop.wait(), asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION))
        status = _report(tasks)
        stop.set()
        log.info("stopping", roles=[role.name for role in roles])
        _, late = await asyncio.wait(tasks, timeout=grace_seconds)
        for task in late:
            log.error("role did not stop in time; cancelled", role=task.get_name(), grace_seconds=grace_seconds)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return 1 if late else status or _report(tasks)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _report(tasks: set[asyncio.Task[None]]) -> int:
    failed = [(task.get_name(), task.exception()) for task in tasks if task.done() and not task.cancelled()]
    errors = [(name, error) for name, error in failed if error is not None]
    for name, error in errors:
        log.error("role failed", role=name, exc_info=error)
    return 1 if errors else 0
