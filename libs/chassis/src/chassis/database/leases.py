"""A named lease in the database: at most one holder does a periodic job at a time, and a dead holder's expires.

A holder that was paused past its lease may overlap with the next one, so what it guards must bear being done twice.
Rows are used rather than advisory locks because those belong to a session, which a transaction pooler shares.
"""

import time
from uuid import uuid4

from sqlalchemy import text

from chassis.database.database import Database

_TAKE = text(
    "INSERT INTO leases AS l (name, holder, until)"
    " VALUES (:name, :holder, clock_timestamp() + make_interval(secs => :seconds))"
    " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until"
    " WHERE l.holder = excluded.holder OR l.until < clock_timestamp()"
)
_RELEASE = text("DELETE FROM leases WHERE name = :name AND holder = :holder")


class Lease:
    """One process's claim on a name."""

    def __init__(self, database: Database, name: str, *, seconds: float) -> None:
        self._database = database
        self._name = name
        self._seconds = seconds
        self._holder = uuid4()
        self._renew_at = 0.0

    async def held(self) -> bool:
        """Take or keep the lease. Costs a round trip only once in a third of the lease's time."""
        now = time.monotonic()
        if now < self._renew_at:
            return True
        async with self._database.transaction() as tx:
            result = await tx.execute(_TAKE, {"name": self._name, "holder": self._holder, "seconds": self._seconds})
        taken = result.rowcount == 1
        self._renew_at = now + self._seconds / 3 if taken else 0.0
        return taken

    async def release(self) -> None:
        """Give the lease up, so that another process need not wait for its end."""
        if self._renew_at == 0.0:
            return
        self._renew_at = 0.0
        async with self._database.transaction() as tx:
            await tx.execute(_RELEASE, {"name": self._name, "holder": self._holder})
