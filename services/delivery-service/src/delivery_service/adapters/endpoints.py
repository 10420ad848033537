"""The table ``endpoints``. Only :func:`insert` and the statements that hand out deliveries touch its secrets."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Transaction
from delivery_service.domain.endpoints import Endpoint, EndpointConfig

_SELECT = (
    "SELECT id, version, url, description, event_types, enabled, disabled_reason, timeout_seconds,"
    " created_at, updated_at FROM endpoints"
)
_FIND = text(f"{_SELECT} WHERE id = :id")
_LOCK = text(f"{_SELECT} WHERE id = :id FOR NO KEY UPDATE")
_LIST = text(f"{_SELECT} ORDER BY created_at DESC, id DESC LIMIT :limit")
_LIST_BEFORE = text(
    f"{_SELECT} WHERE (created_at, id) < (CAST(:before_at AS timestamptz), CAST(:before_id AS uuid))"
    " ORDER BY created_at DESC, id DESC LIMIT :limit"
)
_INSERT = text(
    "INSERT INTO endpoints (id, version, url, description, event_types, enabled, disabled_reason, timeout_seconds,"
    " secret, created_at, updated_at) VALUES (:id, :version, :url, :description, :event_types, :enabled,"
    " :disabled_reason, :timeout_seconds, :secret, :created_at, :updated_at)"
)
_UPDATE = text(
    "UPDATE endpoints SET version = :version, url = :url, description = :description, event_types = :event_types,"
    " enabled = :enabled, disabled_reason = :disabled_reason, timeout_seconds = :timeout_seconds,"
    " updated_at = :updated_at WHERE id = :id"
)
_DELETE = text("DELETE FROM endpoints WHERE id = :id")


async def find(connection: AsyncConnection, endpoint_id: UUID) -> Endpoint | None:
    row = (await connection.execute(_FIND, {"id": endpoint_id})).one_or_none()
    return _endpoint(row) if row else None


async def lock(tx: Transaction, endpoint_id: UUID) -> Endpoint | None:
    """The endpoint, kept from other writers until the transaction ends."""
    row = (await tx.execute(_LOCK, {"id": endpoint_id})).one_or_none()
    return _endpoint(row) if row else None


async def newest(connection: AsyncConnection, before: tuple[Any, UUID] | None, limit: int) -> Sequence[Endpoint]:
    """Newest first, after the position ``before`` (created_at, id)."""
    if before is None:
        rows = await connection.execute(_LIST, {"limit": limit})
    else:
        rows = await connection.execute(_LIST_BEFORE, {"limit": limit, "before_at": before[0], "before_id": before[1]})
    return [_endpoint(row) for row in rows]


async def insert(tx: Transaction, endpoint: Endpoint, secret: str) -> None:
    await tx.execute(_INSERT, {**_values(endpoint), "created_at": endpoint.created_at, "secret": secret})


async def update(tx: Transaction, endpoint: Endpoint) -> None:
    await tx.execute(_UPDATE, _values(endpoint))


async def delete(tx: Transaction, endpoint_id: UUID) -> None:
    await tx.execute(_DELETE, {"id": endpoint_id})


def _values(endpoint: Endpoint) -> dict[str, Any]:
    config = endpoint.config
    return {
        "id": endpoint.id,
        "version": endpoint.version,
        "url": config.url,
        "description": config.description,
        "event_types": list(config.event_types) or None,
        "enabled": config.enabled,
        "disabled_reason": config.disabled_reason,
        "timeout_seconds": config.timeout_seconds,
        "updated_at": endpoint.updated_at,
    }


def _endpoint(row: Row[Any]) -> Endpoint:
    return Endpoint(
        row.id,
        row.version,
        EndpointConfig(
            row.url,
            row.description,
            tuple(row.event_types or ()),
            row.enabled,
            row.disabled_reason,
            row.timeout_seconds,
        ),
        row.created_at,
        row.updated_at,
    )
