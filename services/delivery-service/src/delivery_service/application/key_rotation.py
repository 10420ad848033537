"""Encrypts endpoints' secrets again after a change of SECRET_KEYS, a batch at a time, in one process of all."""

from uuid import UUID

import structlog

from chassis.database.database import Database
from chassis.database.leases import Lease
from delivery_service.adapters import endpoints
from delivery_service.adapters.secret_cipher import SecretCipher

log = structlog.get_logger(__name__)

BATCH = 100
PAUSE_SECONDS = 300.0
FIRST = UUID(int=0)
NAMED = 10
"""Unreadable endpoints that one log line names; the API shows all of them."""


class KeyRotation:
    """A step of a :class:`chassis.core.lifecycle.Loop`. It goes through the endpoints that an older key encrypted.

    An endpoint that no key can decrypt is left as it is, for its key may come back; it does not stop the others.
    """

    def __init__(self, database: Database, cipher: SecretCipher) -> None:
        self._database = database
        self._cipher = cipher
        self._lease = Lease(database, "key-rotation", seconds=PAUSE_SECONDS * 3)
        self._after = FIRST
        self._encrypted = 0
        self._unreadable: list[UUID] = []

    async def step(self) -> float:
        """Encrypt one batch with the first key. Returns the seconds until the next, few while there may be more."""
        if not await self._lease.held():
            return PAUSE_SECONDS
        async with self._database.transaction() as tx:
            batch = await endpoints.reencrypt(tx, self._cipher, self._after, BATCH)
        self._encrypted += len(batch.encrypted)
        self._unreadable += batch.unreadable
        if batch.last is not None:
            self._after = batch.last
            return 0.1
        if self._unreadable:
            log.warning(
                "endpoints cannot be decrypted with any of SECRET_KEYS",
                endpoints=len(self._unreadable),
                endpoint_ids=[str(each) for each in self._unreadable[:NAMED]],
            )
        elif self._encrypted:
            log.info("all endpoints are encrypted with the first of SECRET_KEYS", endpoints=self._encrypted)
        self._after, self._encrypted, self._unreadable = FIRST, 0, []
        return PAUSE_SECONDS
