"""``Idempotency-Key`` on creates (draft-ietf-httpapi-idempotency-key-header): one key, one resource."""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from chassis.core.errors import IdempotencyKeyReusedError
from chassis.database.database import Transaction

_CLAIM = text(
    "INSERT INTO idempotency_keys (client, key, fingerprint, resource_id)"
    " VALUES (:client, :key, :fingerprint, :resource_id) ON CONFLICT DO NOTHING"
)
_FIND = text("SELECT fingerprint, resource_id FROM idempotency_keys WHERE client = :client AND key = :key")
SWEEP = text("DELETE FROM idempotency_keys WHERE created_at < clock_timestamp() - interval '48 hours'")


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A client's key for one create, and a digest of what it asked for. Kept for 48 hours."""

    client: str
    key: str
    fingerprint: str

    @classmethod
    def of(cls, client: str, key: str, route: str, body: bytes) -> "IdempotencyKey":
        return cls(client, key, hashlib.sha256(route.encode() + b"\0" + body).hexdigest())


async def claim(tx: Transaction, key: IdempotencyKey | None, resource_id: UUID) -> UUID:
    """Tie ``key`` to the resource that this transaction creates.

    Returns ``resource_id``, or the id of what an earlier request with this key created: then create nothing.

    Raises:
        IdempotencyKeyReusedError: the key was used for another request.
    """
    if key is None:
        return resource_id
    values = {"client": key.client, "key": key.key, "fingerprint": key.fingerprint, "resource_id": resource_id}
    if (await tx.execute(_CLAIM, values)).rowcount == 1:
        return resource_id
    row = (await tx.execute(_FIND, {"client": key.client, "key": key.key})).one()
    if row.fingerprint != key.fingerprint:
        raise IdempotencyKeyReusedError
    existing: UUID = row.resource_id
    return existing
