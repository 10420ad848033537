"""Use cases of endpoints. Who subscribes and how is private to this service: changes announce nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis import idempotency
from chassis.clock import Clock
from chassis.database import Database
from chassis.idempotency import IdempotencyKey
from delivery_service.adapters import endpoints
from delivery_service.adapters.secrets import generate_secret
from delivery_service.domain.endpoints import Endpoint, EndpointConfig
from delivery_service.domain.errors import EndpointNotFoundError, StaleVersionError


@dataclass(frozen=True, slots=True)
class CreatedEndpoint:
    """``secret`` is None where an earlier request with the same key created the endpoint: it was shown then."""

    endpoint: Endpoint
    secret: str | None = field(repr=False)


async def create_endpoint(
    database: Database, clock: Clock, config: EndpointConfig, key: IdempotencyKey | None
) -> CreatedEndpoint:
    """Store a new endpoint with a new secret. Under a key that has created one before, that one as it is now.

    Raises:
        ReasonWhileEnabledError
        IdempotencyKeyReusedError: the key came with another endpoint.
        EndpointNotFoundError: the endpoint that the key created is deleted.
    """
    now = clock.now()
    endpoint = Endpoint.new(uuid7(), config, now)
    secret = generate_secret()
    async with database.transaction() as tx:
        endpoint_id = await idempotency.claim(tx, key, endpoint.id)
        if endpoint_id != endpoint.id:
            return CreatedEndpoint(_found(await endpoints.find(tx.connection, endpoint_id), endpoint_id), None)
        await endpoints.insert(tx, endpoint, secret)
    return CreatedEndpoint(endpoint, secret)


async def find_endpoint(database: Database, endpoint_id: UUID) -> Endpoint:
    """Raises EndpointNotFoundError."""
    async with database.read() as connection:
        return _found(await endpoints.find(connection, endpoint_id), endpoint_id)


async def list_endpoints(database: Database, before: tuple[datetime, UUID] | None, limit: int) -> Sequence[Endpoint]:
    """Newest first, at most ``limit``, after the position ``before``."""
    async with database.read() as connection:
        return await endpoints.newest(connection, before, limit)


async def update_endpoint(
    database: Database, clock: Clock, endpoint_id: UUID, patch: Mapping[str, Any], expected: int | None
) -> Endpoint:
    """Apply a partial update (:meth:`EndpointConfig.merged`). What changes nothing keeps the version.

    Deliveries that wait for a retry follow: they go to the new URL, and end as ``cancelled`` while it is not enabled.

    Raises:
        EndpointNotFoundError, ReasonWhileEnabledError
        StaleVersionError: the version is not ``expected`` (None: any will do).
    """
    async with database.transaction() as tx:
        endpoint = _expected(_found(await endpoints.lock(tx, endpoint_id), endpoint_id), expected)
        config = endpoint.config.merged(patch)
        if config == endpoint.config:
            return endpoint
        endpoint = endpoint.changed(config, clock.now())
        await endpoints.update(tx, endpoint)
    return endpoint


async def delete_endpoint(database: Database, endpoint_id: UUID, expected: int | None) -> None:
    """Delete an endpoint and its secret for good. Its deliveries stay; those that wait end as ``cancelled``.

    Raises:
        EndpointNotFoundError
        StaleVersionError: the version is not ``expected`` (None: any will do).
    """
    async with database.transaction() as tx:
        _expected(_found(await endpoints.lock(tx, endpoint_id), endpoint_id), expected)
        await endpoints.delete(tx, endpoint_id)


def _found(endpoint: Endpoint | None, endpoint_id: UUID) -> Endpoint:
    if endpoint is None:
        raise EndpointNotFoundError(f"there is no endpoint {endpoint_id}")
    return endpoint


def _expected(endpoint: Endpoint, version: int | None) -> Endpoint:
    if version is not None and endpoint.version != version:
        raise StaleVersionError(f'the endpoint is at version "{endpoint.version}", not "{version}": read it again')
    return endpoint
