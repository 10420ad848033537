"""Keeps the endpoints of claimed deliveries current, so that no attempt uses a configuration of the past (ADR 0026)."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from contracts.vocabulary import FailureReason
from delivery_service.domain.deliveries import Target

MAX_AGE_SECONDS = 0.5
"""Age of an endpoint's configuration with which an attempt may begin; older, it is read again first."""
SEND_WITHIN_SECONDS = 0.9
"""Age of a configuration with which a request may still be sent, where connecting took a while."""
MIN_SEND_SECONDS = 0.25
"""What an attempt has for that at least, where the statement itself was slow."""
WATCH_SECONDS = 0.25
"""How often the endpoints of deliveries that wait for a slot are read again, so that attempts seldom have to wait."""

FindChanged = Callable[[Mapping[UUID, int]], Awaitable[Mapping[UUID, Target | FailureReason]]]
"""From endpoints and the versions known of them to those that are otherwise now: as they are, or why not to send."""


@dataclass(frozen=True, slots=True)
class _Known:
    where: Target | FailureReason
    read_at: float


class EndpointWatch:
    """The newest known configuration of each endpoint that a worker has deliveries for.

    A claim reads endpoints with the deliveries. A configuration older than ``MAX_AGE_SECONDS`` is compared with the
    database again, by one statement for all endpoints with waiting deliveries. Times are of this process's monotonic
    clock, taken before the statement begins: it sees every change that was committed earlier.
    """

    def __init__(self, find_changed: FindChanged) -> None:
        self._find_changed = find_changed
        self._known: dict[UUID, _Known] = {}
        self._reading: asyncio.Task[None] | None = None

    def note(self, target: Target, read_at: float) -> None:
        """Remember what a claim has read of an endpoint, unless something newer is known."""
        known = self._known.get(target.endpoint_id)
        if known is None or known.read_at < read_at:
            self._known[target.endpoint_id] = _Known(target, read_at)

    def keep_only(self, endpoint_ids: Collection[UUID]) -> None:
        """Drop all other endpoints."""
        self._known = {each: known for each, known in self._known.items() if each in endpoint_ids}

    def known(self, endpoint_id: UUID) -> Target | FailureReason | None:
        """The cached configuration of an endpoint, however old; None where nothing is."""
        known = self._known.get(endpoint_id)
        return None if known is None else known.where

    async def current(self, target: Target, read_at: float) -> Target | FailureReason:
        """Return the endpoint, read less than ``MAX_AGE_SECONDS`` before the call or by a statement after it.

        ``read_at`` is when ``target`` was read. Raises what the statement raises.
        """
        oldest = time.monotonic() - MAX_AGE_SECONDS
        while True:
            self.note(target, read_at)
            known = self._known[target.endpoint_id]
            # What has ended needs no second look: if it had been enabled again, a claim would have returned it.
            if isinstance(known.where, FailureReason):
                return known.where
            if known.read_at >= oldest:
                send_by = max(known.read_at + SEND_WITHIN_SECONDS, time.monotonic() + MIN_SEND_SECONDS)
                return replace(known.where, send_by=send_by)
            await self.refresh()

    async def refresh(self) -> None:
        """Read all known endpoints again. One statement at a time serves all waiters."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        await asyncio.shield(self._reading)

    async def _read(self) -> None:
        versions = {each: known.where.version for each, known in self._known.items() if isinstance(known.where, Target)}
        read_at = time.monotonic()
        changed = await self._find_changed(versions)
        for endpoint_id in versions:
            known = self._known.get(endpoint_id)
            if known is not None and known.read_at < read_at:
                self._known[endpoint_id] = _Known(changed.get(endpoint_id, known.where), read_at)
