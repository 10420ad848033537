"""Erasure of deleted users: which users must be erased, and when this service has erased them (ADR 37)."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from opentelemetry import metrics
from sqlalchemy import text
from uuid_utils.compat import uuid7

from chassis.database.database import Database, Reader, Transaction
from chassis.database.leases import Lease
from chassis.messaging.dead_letters import ERASED_BODY
from chassis.messaging.outbox import Outbox
from contracts.messages.erasure import PersonalDataErasedItem
from contracts.messages.registry import MESSAGES
from contracts.messages.spec import MessageType
from contracts.messages.user import UserItem

RETENTION_DAYS: Final = 365
"""How long it is known that a user was erased. Longer than any message of theirs can still be on its way (18 days)."""
BATCH: Final = 5_000

_erased = metrics.get_meter("almanac.erasures").create_histogram(
    "almanac_erasure_duration", unit="s", description="Time from a user's deletion to the erasure in this service"
)

_REQUEST = text(
    "INSERT INTO erasures (user_id) SELECT unnest(CAST(:user_ids AS uuid[])) ON CONFLICT (user_id) DO NOTHING"
)
_REQUESTED = text("SELECT user_id FROM erasures WHERE user_id = ANY (CAST(:user_ids AS uuid[]))")
_PENDING = text("SELECT user_id FROM erasures WHERE erased_at IS NULL ORDER BY requested_at LIMIT :limit")
_FINISH = text(
    "UPDATE erasures SET erased_at = clock_timestamp() WHERE user_id = ANY (CAST(:user_ids AS uuid[]))"
    " RETURNING user_id, erased_at, CAST(extract(epoch FROM erased_at - requested_at) AS float8) AS seconds"
)
SWEEP = text("DELETE FROM erasures WHERE erased_at < clock_timestamp() - make_interval(days => :days)")

_UUID = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_USER_ID = f'"userId"\\s*:\\s*"({_UUID})"'
_PERSONAL_TYPES = sorted({spec.type.value for spec in MESSAGES if spec.item is UserItem})
# By the type first, which is cheap: the outbox of a busy service holds a day of items, and few of them are personal.
_FORGET_SENT = text(
    "WITH personal AS (SELECT id, sent_at, CAST(substring(item FROM :pattern) AS uuid) AS user_id FROM outbox"
    " WHERE type = ANY (CAST(:types AS text[]))), theirs AS ("
    "SELECT id, sent_at, user_id FROM personal WHERE user_id = ANY (CAST(:user_ids AS uuid[]))), gone AS ("
    "DELETE FROM outbox o USING theirs t WHERE o.id = t.id AND t.sent_at IS NOT NULL)"
    " SELECT DISTINCT user_id FROM theirs WHERE sent_at IS NULL"
)
_FORGET_DEAD_LETTERS = text(
    "UPDATE dead_letters d SET body = :erased WHERE d.body <> :erased AND EXISTS ("
    "SELECT FROM regexp_matches(d.body, :pattern, 'g') AS m JOIN erasures e ON e.user_id = CAST(m[1] AS uuid))"
)

Erase = Callable[[Transaction, Sequence[UUID]], Awaitable[Collection[UUID]]]
"""Erases what a service itself keeps of users. Returns those of whom nothing personal is left."""


async def request(tx: Transaction, user_ids: Collection[UUID]) -> None:
    """Have users erased. One of whom that is known already stays as they are."""
    if user_ids:
        await tx.execute(_REQUEST, {"user_ids": list(user_ids)})


async def requested(reader: Reader, user_ids: Collection[UUID]) -> set[UUID]:
    """Return those of the users whose erasure was requested, finished or not."""
    if not user_ids:
        return set()
    return set((await reader.execute(_REQUESTED, {"user_ids": list(user_ids)})).scalars())


class Eraser:
    """A step of a :class:`chassis.core.lifecycle.Loop`; one process of a service at a time erases.

    Args:
        erase: erases what the service itself keeps.
        report: the message that reports to user-service; None for user-service itself.
        finished: called in the transaction with the users who are erased, and when.
        every_seconds: pause between two looks.
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        erase: Erase,
        *,
        report: MessageType | None,
        every_seconds: float,
        finished: Callable[[Transaction, dict[UUID, datetime]], Awaitable[None]] | None = None,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._erase = erase
        self._report = report
        self._finished = finished
        self._every = every_seconds
        self._lease = Lease(database, "eraser", seconds=3 * every_seconds)

    async def step(self) -> float:
        """Erase whom it can. Users with data in flight or unsent are checked again. Returns the pause."""
        if not await self._lease.held():
            return self._every
        async with self._database.transaction() as tx:
            pending = list((await tx.execute(_PENDING, {"limit": BATCH})).scalars())
            if pending:
                await self._round(tx, pending)
            # Always: a message that waited in a dead-letter queue may have come after the erasure.
            await tx.execute(_FORGET_DEAD_LETTERS, {"pattern": _USER_ID, "erased": ERASED_BODY})
        return self._every

    async def _round(self, tx: Transaction, pending: Sequence[UUID]) -> None:
        done = set(await self._erase(tx, pending))
        values = {"user_ids": list(pending), "types": _PERSONAL_TYPES, "pattern": _USER_ID}
        done -= set((await tx.execute(_FORGET_SENT, values)).scalars())
        if not done:
            return
        rows = (await tx.execute(_FINISH, {"user_ids": list(done)})).all()
        for row in rows:
            _erased.record(row.seconds)
        if self._finished is not None:
            await self._finished(tx, {row.user_id: row.erased_at for row in rows})
        if self._report is not None:
            items = [
                PersonalDataErasedItem(item_id=uuid7(), user_id=row.user_id, occurred_at=row.erased_at) for row in rows
            ]
            await self._outbox.append(tx, [(self._report, item) for item in items])
