"""The table ``endpoints``. Only :func:`insert` and the statements that hand out deliveries touch its secrets."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Transaction
from delivery_service.domain.deliveries import Target
from delivery_service.domain.endpoints import Endpoint, EndpointConfig, Kind

TARGET = "p.version, p.kind, p.url, p.secret, p.timeout_seconds, p.rate_limit, p.concurrency, p.retry_schedule"
"""What a statement that hands out deliveries selects of ``endpoints p``, next to its ``endpoint_id``."""

_CONFIG = (
    "kind", "url", "description", "event_types", "priorities", "tags", "operational_events", "timeout_seconds",
    "rate_limit", "concurrency", "retry_schedule", "enabled", "disabled_reason",
)  # fmt: skip
_CHANGING = ("version", *_CONFIG, "disabled_at", "updated_at")
_SELECT = f"SELECT id, created_at, {', '.join(_CHANGING)} FROM endpoints"
_FIND = text(f"{_SELECT} WHERE id = :id")
_LOCK = text(f"{_SELECT} WHERE id = :id FOR NO KEY UPDATE")
_LIST = text(f"{_SELECT} ORDER BY created_at DESC, id DESC LIMIT :limit")
_LIST_BEFORE = text(
    f"{_SELECT} WHERE (created_at, id) < (CAST(:before_at AS timestamptz), CAST(:before_id AS uuid))"
    " ORDER BY created_at DESC, id DESC LIMIT :limit"
)
_INSERT = text(
    f"INSERT INTO endpoints (id, created_at, secret, {', '.join(_CHANGING)})"
    f" VALUES (:id, :created_at, :secret, {', '.join(f':{name}' for name in _CHANGING)})"
)
_UPDATE = text(f"UPDATE endpoints SET {', '.join(f'{name} = :{name}' for name in _CHANGING)} WHERE id = :id")
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


def target(row: Row[Any]) -> Target:
    """Of a row with the columns ``TARGET`` and ``endpoint_id``."""
    return Target(
        endpoint_id=row.endpoint_id,
        version=row.version,
        kind=Kind(row.kind),
        url=row.url,
        secret=row.secret,
        timeout_seconds=row.timeout_seconds,
        rate_limit=row.rate_limit,
        concurrency=row.concurrency,
        retry_schedule=None if row.retry_schedule is None else tuple(row.retry_schedule),
    )


def _values(endpoint: Endpoint) -> dict[str, Any]:
    config = endpoint.config
    return {
        "id": endpoint.id,
        "version": endpoint.version,
        **{name: getattr(config, name) for name in _CONFIG},
        # Null stands for all where a list may be empty.
        "event_types": list(config.event_types) or None,
        "priorities": list(config.priorities) or None,
        "tags": list(config.tags) or None,
        "operational_events": list(config.operational_events) or None,
        "retry_schedule": None if config.retry_schedule is None else list(config.retry_schedule),
        "disabled_at": endpoint.disabled_at,
        "updated_at": endpoint.updated_at,
    }


def _endpoint(row: Row[Any]) -> Endpoint:
    return Endpoint(
        id=row.id,
        version=row.version,
        config=EndpointConfig(
            kind=Kind(row.kind),
            url=row.url,
            description=row.description,
            event_types=tuple(row.event_types or ()),
            priorities=tuple(row.priorities or ()),
            tags=tuple(row.tags or ()),
            operational_events=tuple(row.operational_events or ()),
            timeout_seconds=row.timeout_seconds,
            rate_limit=row.rate_limit,
            concurrency=row.concurrency,
            retry_schedule=None if row.retry_schedule is None else tuple(row.retry_schedule),
            enabled=row.enabled,
            disabled_reason=row.disabled_reason,
        ),
        disabled_at=row.disabled_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
