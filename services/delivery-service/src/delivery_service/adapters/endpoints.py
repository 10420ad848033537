"""The table ``endpoints``. The column ``sealed`` has the confidential fields, encrypted by a :class:`SecretCipher`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database.database import Transaction
from contracts.vocabulary import Channel, FailureReason
from delivery_service.adapters.secret_cipher import Confidential, SecretCipher
from delivery_service.domain.deliveries import Target
from delivery_service.domain.endpoints import Endpoint, EndpointConfig, keeps_to_send_window
from delivery_service.domain.errors import SecretsUnreadableError
from delivery_service.domain.templates import Template

TARGET = (
    "p.version, p.kind, p.url, p.sealed, p.timeout_seconds, p.rate_limit, p.concurrency, p.retry_schedule,"
    " p.subject, p.text, p.html, p.respect_send_window"
)
"""What a statement that hands out deliveries selects of ``endpoints p``, next to its ``endpoint_id``."""

_TARGET = text(f"SELECT p.id AS endpoint_id, {TARGET} FROM endpoints p WHERE p.id = :id")
# The version grows with every change; deleted and disabled endpoints are in the answer whatever their version is.
_CHANGED = text(f"""
SELECT k.endpoint_id, p.id IS NOT NULL AS found, p.enabled, {TARGET}
FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS integer[])) AS k (endpoint_id, version)
LEFT JOIN endpoints p ON p.id = k.endpoint_id
WHERE p.version IS DISTINCT FROM k.version OR NOT p.enabled
""")
_CONFIG = (
    "kind", "description", "event_types", "priorities", "tags", "operational_events", "timeout_seconds",
    "rate_limit", "concurrency", "retry_schedule", "respect_send_window", "subject", "text", "html",
    "enabled", "disabled_reason",
)  # fmt: skip
_CHANGING = ("version", *_CONFIG, "url", "sealed", "disabled_at", "updated_at")
_SELECT = f"SELECT id, created_at, {', '.join(_CHANGING)} FROM endpoints"
_FIND = text(f"{_SELECT} WHERE id = :id")
_LOCK = text(f"{_SELECT} WHERE id = :id FOR NO KEY UPDATE")
_LOCK_VERSION = text("SELECT version FROM endpoints WHERE id = :id FOR UPDATE")
_LIST = text(f"{_SELECT} ORDER BY created_at DESC, id DESC LIMIT :limit")
_LIST_BEFORE = text(
    f"{_SELECT} WHERE (created_at, id) < (CAST(:before_at AS timestamptz), CAST(:before_id AS uuid))"
    " ORDER BY created_at DESC, id DESC LIMIT :limit"
)
_INSERT = text(
    f"INSERT INTO endpoints (id, created_at, {', '.join(_CHANGING)})"
    f" VALUES (:id, :created_at, {', '.join(f':{name}' for name in _CHANGING)})"
)
_UPDATE = text(f"UPDATE endpoints SET {', '.join(f'{name} = :{name}' for name in _CHANGING)} WHERE id = :id")
_UPDATE_UNREADABLE = text(
    f"UPDATE endpoints SET {', '.join(f'{name} = :{name}' for name in _CHANGING if name != 'sealed')} WHERE id = :id"
)
_ENCRYPTED_BEFORE = text(
    "SELECT id, sealed FROM endpoints WHERE NOT starts_with(sealed, :current) AND id > :after"
    " ORDER BY id LIMIT :limit FOR NO KEY UPDATE"
)
_REENCRYPT = text(
    "UPDATE endpoints p SET sealed = s.sealed"
    " FROM unnest(CAST(:ids AS uuid[]), CAST(:sealed AS text[])) AS s (id, sealed) WHERE p.id = s.id"
)
_DELETE = text("DELETE FROM endpoints WHERE id = :id")


@dataclass(frozen=True, slots=True)
class Reencrypted:
    """A batch of endpoints. ``last`` is its last id where there may be more, None at the end."""

    encrypted: list[UUID]
    unreadable: list[UUID]
    last: UUID | None


async def find(connection: AsyncConnection, cipher: SecretCipher, endpoint_id: UUID) -> Endpoint | None:
    row = (await connection.execute(_FIND, {"id": endpoint_id})).one_or_none()
    return _endpoint(row, cipher) if row else None


async def find_target(connection: AsyncConnection, endpoint_id: UUID) -> Target | None:
    """As the statements that hand out deliveries give it, enabled or not."""
    row = (await connection.execute(_TARGET, {"id": endpoint_id})).one_or_none()
    return target(row) if row else None


async def changed(connection: AsyncConnection, versions: Mapping[UUID, int]) -> dict[UUID, Target | FailureReason]:
    """Those of the endpoints that are no longer of this version and enabled: as they are, or why nothing is sent."""
    rows = await connection.execute(_CHANGED, {"ids": list(versions), "versions": list(versions.values())})
    return {row.endpoint_id: target(row) if row.enabled else ended_by(found=row.found) for row in rows}


def ended_by(*, found: bool) -> FailureReason:
    """Why the deliveries of an endpoint that is not enabled, or not even ``found``, end."""
    return FailureReason.DISABLED if found else FailureReason.CANCELLED


async def lock(tx: Transaction, cipher: SecretCipher, endpoint_id: UUID) -> Endpoint | None:
    """The endpoint, kept from other writers until the transaction ends."""
    row = (await tx.execute(_LOCK, {"id": endpoint_id})).one_or_none()
    return _endpoint(row, cipher) if row else None


async def lock_version(tx: Transaction, endpoint_id: UUID) -> int | None:
    """Its version alone, kept from other writers likewise."""
    version: int | None = (await tx.execute(_LOCK_VERSION, {"id": endpoint_id})).scalar_one_or_none()
    return version


async def newest(
    connection: AsyncConnection, cipher: SecretCipher, before: tuple[Any, UUID] | None, limit: int
) -> Sequence[Endpoint]:
    """Newest first, after the position ``before`` (created_at, id)."""
    if before is None:
        rows = await connection.execute(_LIST, {"limit": limit})
    else:
        rows = await connection.execute(_LIST_BEFORE, {"limit": limit, "before_at": before[0], "before_id": before[1]})
    return [_endpoint(row, cipher) for row in rows]


async def insert(tx: Transaction, cipher: SecretCipher, endpoint: Endpoint) -> None:
    await tx.execute(_INSERT, {**_values(endpoint, cipher), "created_at": endpoint.created_at})


async def update(tx: Transaction, cipher: SecretCipher, endpoint: Endpoint) -> None:
    """Store all fields of an endpoint; the encrypted ones of an unreadable endpoint stay as they are."""
    statement = _UPDATE_UNREADABLE if endpoint.config.unreadable else _UPDATE
    await tx.execute(statement, _values(endpoint, cipher))


async def reencrypt(tx: Transaction, cipher: SecretCipher, after: UUID, limit: int) -> Reencrypted:
    """Encrypt with the current key what an older one encrypted, of up to ``limit`` endpoints in order of their ids."""
    rows = (
        await tx.execute(_ENCRYPTED_BEFORE, {"current": cipher.current_prefix, "after": after, "limit": limit})
    ).all()
    encrypted: dict[UUID, str] = {}
    unreadable: list[UUID] = []
    for row in rows:
        try:
            encrypted[row.id] = cipher.encrypt(row.id, cipher.decrypt(row.id, row.sealed))
        except SecretsUnreadableError:
            unreadable.append(row.id)
    if encrypted:
        await tx.execute(_REENCRYPT, {"ids": list(encrypted), "sealed": list(encrypted.values())})
    return Reencrypted(list(encrypted), unreadable, rows[-1].id if len(rows) == limit else None)


async def delete(tx: Transaction, endpoint_id: UUID) -> None:
    await tx.execute(_DELETE, {"id": endpoint_id})


def target(row: Row[Any]) -> Target:
    """Of a row with the columns ``TARGET`` and ``endpoint_id``."""
    return Target(
        endpoint_id=row.endpoint_id,
        version=row.version,
        kind=Channel(row.kind),
        url=row.url,
        sealed=row.sealed,
        timeout_seconds=row.timeout_seconds,
        rate_limit=row.rate_limit,
        concurrency=row.concurrency,
        retry_schedule=None if row.retry_schedule is None else tuple(row.retry_schedule),
        template=Template(row.subject, row.text, row.html),
        respect_send_window=keeps_to_send_window(Channel(row.kind), row.respect_send_window),
    )


def _values(endpoint: Endpoint, cipher: SecretCipher) -> dict[str, Any]:
    config = endpoint.config
    # The URL of Slack's incoming webhook is a credential: it alone allows posting.
    secret_url = config.url if config.kind is Channel.SLACK else None
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
        "url": None if secret_url else config.url,
        "sealed": cipher.encrypt(endpoint.id, Confidential(endpoint.secrets, config.headers, secret_url)),
        "disabled_at": endpoint.disabled_at,
        "updated_at": endpoint.updated_at,
    }


def _endpoint(row: Row[Any], cipher: SecretCipher) -> Endpoint:
    unreadable = False
    try:
        confidential = cipher.decrypt(row.id, row.sealed)
    except SecretsUnreadableError:
        # One lost key must not hide the endpoint, nor the others of a list.
        confidential, unreadable = Confidential(), True
    return Endpoint(
        id=row.id,
        version=row.version,
        config=EndpointConfig(
            kind=Channel(row.kind),
            url=confidential.url or row.url,
            description=row.description,
            event_types=tuple(row.event_types or ()),
            priorities=tuple(row.priorities or ()),
            tags=tuple(row.tags or ()),
            operational_events=tuple(row.operational_events or ()),
            timeout_seconds=row.timeout_seconds,
            rate_limit=row.rate_limit,
            concurrency=row.concurrency,
            retry_schedule=None if row.retry_schedule is None else tuple(row.retry_schedule),
            respect_send_window=row.respect_send_window,
            headers=confidential.headers,
            subject=row.subject,
            text=row.text,
            html=row.html,
            enabled=row.enabled,
            disabled_reason=row.disabled_reason,
            unreadable=unreadable,
        ),
        secrets=confidential.secrets,
        disabled_at=row.disabled_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
