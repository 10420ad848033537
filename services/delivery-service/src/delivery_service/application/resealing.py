"""After a change of keys: sealing anew what an older key sealed, a batch at a time, in one process of all."""

import structlog

from chassis.database import Database
from chassis.leases import Lease
from delivery_service.adapters import endpoints
from delivery_service.adapters.vault import Vault

log = structlog.get_logger(__name__)

BATCH = 100
PAUSE_SECONDS = 300.0


class Resealing:
    """A step of a :class:`chassis.lifecycle.Loop`."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault
        self._lease = Lease(database, "resealing", seconds=PAUSE_SECONDS * 3)
        self._resealed = 0

    async def step(self) -> float:
        """Seal one batch anew. Returns the seconds until the next, few while there may be more."""
        if not await self._lease.held():
            return PAUSE_SECONDS
        async with self._database.transaction() as tx:
            count = await endpoints.reseal(tx, self._vault, BATCH)
        self._resealed += count
        if count == BATCH:
            return 0.1
        if self._resealed:
            log.info("all endpoints are sealed with the first of SECRET_KEYS", endpoints=self._resealed)
            self._resealed = 0
        return PAUSE_SECONDS
