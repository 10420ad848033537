"""Use cases of endpoints. Who subscribes and how is private to this service: changes announce nothing."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.database import idempotency
from chassis.database.clock import Clock
from chassis.database.database import Database, Transaction
from chassis.database.idempotency import IdempotencyKey
from chassis.messaging.outbox import Outbox
from contracts.vocabulary import Channel
from delivery_service.adapters import circuits, endpoint_stats, endpoints
from delivery_service.adapters.secret_cipher import SecretCipher
from delivery_service.adapters.signatures import generate_secret, public_key
from delivery_service.adapters.ssrf_guard import SsrfGuard
from delivery_service.application.deliveries import end_deliveries_of
from delivery_service.domain.endpoint_stats import EndpointStats
from delivery_service.domain.endpoints import Endpoint, EndpointConfig
from delivery_service.domain.errors import (
    EndpointNotFoundError,
    NotOfThisKindError,
    SecretsUnreadableError,
    StaleVersionError,
)
from delivery_service.domain.signing import Algorithm, Secret, check_secret, overlap_until, rotated

CHECK_SECONDS = 5.0
"""How long the names in a new URL may take to resolve."""


@dataclass(frozen=True, slots=True)
class SecuredEndpoint:
    """An endpoint and its new secret, to be shown this once.

    ``secret`` is None where there is nothing to show: an earlier request with the same key created the endpoint, or
    the client brought it, or a public key is all that a receiver needs.
    """

    endpoint: Endpoint
    secret: str | None = field(repr=False)
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """An endpoint as it may be shown, without its secrets; ``overlap_until`` is in seconds since the epoch."""

    endpoint: Endpoint
    algorithm: Algorithm | None
    public_key: str | None
    overlap_until: float | None

    @classmethod
    def of(cls, endpoint: Endpoint) -> "View":
        if not endpoint.secrets:
            return cls(endpoint, None, None, None)
        current = endpoint.secrets[0]
        public = public_key(current.value) if current.algorithm is Algorithm.ED25519 else None
        return cls(endpoint, current.algorithm, public, overlap_until(endpoint.secrets, time.time()))


@dataclass(frozen=True, slots=True)
class Signing:
    """What a client says about signatures: ``secret`` is its own, None for a generated one."""

    algorithm: Algorithm | None = None
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Security:
    """What endpoints are kept safe with: where they may lead, and how their secrets are encrypted."""

    guard: SsrfGuard
    cipher: SecretCipher


async def create_endpoint(
    database: Database,
    clock: Clock,
    security: Security,
    config: EndpointConfig,
    signing: Signing,
    key: IdempotencyKey | None,
) -> SecuredEndpoint:
    """Store a new endpoint with a new secret. Under a key that has created one before, that one as it is now.

    Raises:
        UrlRefusedError, SecretRefusedError, NotOfThisKindError, HeaderRefusedError, ReasonWhileEnabledError
        IdempotencyKeyReusedError: the key came with another endpoint.
        EndpointNotFoundError: the endpoint that the key created is deleted.
    """
    config.checked()
    secret = _new_secret(config.kind, signing)
    await _check_url(security.guard, config)
    secrets = () if secret is None else (Secret(secret),)
    endpoint = Endpoint.new(uuid7(), config, secrets, clock.now())
    async with database.transaction() as tx:
        endpoint_id = await idempotency.claim(tx, key, endpoint.id)
        if endpoint_id != endpoint.id:
            before = await endpoints.find(tx.connection, security.cipher, endpoint_id)
            return SecuredEndpoint(_found(before, endpoint_id), None, repeated=True)
        await endpoints.insert(tx, security.cipher, endpoint)
    return SecuredEndpoint(endpoint, _shown(secret, signing))


async def find_endpoint(database: Database, cipher: SecretCipher, endpoint_id: UUID) -> Endpoint:
    """Raises EndpointNotFoundError."""
    async with database.read() as connection:
        return _found(await endpoints.find(connection, cipher, endpoint_id), endpoint_id)


async def endpoint_statistics(database: Database, endpoint_id: UUID) -> EndpointStats:
    """How an endpoint has done lately. Raises EndpointNotFoundError."""
    async with database.read() as connection:
        if await endpoints.find_target(connection, endpoint_id) is None:
            raise EndpointNotFoundError(f"there is no endpoint {endpoint_id}")
        return await endpoint_stats.count(connection, endpoint_id)


async def list_endpoints(
    database: Database, cipher: SecretCipher, before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Endpoint]:
    """Newest first, at most ``limit``, after the position ``before``."""
    async with database.read() as connection:
        return await endpoints.newest(connection, cipher, before, limit)


async def update_endpoint(
    database: Database,
    outbox: Outbox,
    clock: Clock,
    security: Security,
    endpoint_id: UUID,
    patch: Mapping[str, Any],
    expected: int | None,
) -> Endpoint:
    """Apply a partial update (:meth:`EndpointConfig.merged`). What changes nothing keeps the version.

    Deliveries that have not begun follow, also those that workers have claimed: they go to the new URL, with the new
    headers. Where the patch disables the endpoint they end as ``disabled``.

    Raises:
        EndpointNotFoundError, UrlRefusedError, NotOfThisKindError, HeaderRefusedError, ReasonWhileEnabledError
        StaleVersionError: the version is not ``expected`` (None: any will do).
    """
    if "url" in patch:
        # Outside of the transaction, for it asks a name server; so the rules of the kind are asked first.
        found = await find_endpoint(database, security.cipher, endpoint_id)
        await _check_url(security.guard, found.config.merged(patch))
    async with database.transaction() as tx:
        before = await _locked(tx, security.cipher, endpoint_id, expected)
        after = await _reconfigure(tx, clock, security.cipher, before, before.config.merged(patch))
    if before.config.enabled and not after.config.enabled:
        await end_deliveries_of(database, outbox, endpoint_id)
    return after


async def rotate_secret(
    database: Database,
    clock: Clock,
    cipher: SecretCipher,
    endpoint_id: UUID,
    own: str | None,
    *,
    overlap_seconds: int,
    expected: int | None,
) -> SecuredEndpoint:
    """Sign with a new secret, the client's ``own`` where given; with those of before too until the overlap has passed.

    Raises:
        EndpointNotFoundError, SecretRefusedError, TooManySecretsError
        NotOfThisKindError: it signs nothing.
        SecretsUnreadableError: its secrets cannot be decrypted, so the overlap could not be kept.
        StaleVersionError: the version is not ``expected`` (None: any will do).
    """
    async with database.transaction() as tx:
        endpoint = await _locked(tx, cipher, endpoint_id, expected)
        if endpoint.config.unreadable:
            raise SecretsUnreadableError(
                f"the secrets of endpoint {endpoint_id} cannot be decrypted: add the key to SECRET_KEYS, or replace the"
                " endpoint"
            )
        if not endpoint.secrets:
            raise NotOfThisKindError("endpointId", f"an endpoint of kind {endpoint.config.kind} signs nothing")
        signing = Signing(endpoint.secrets[0].algorithm, own)
        secret = _checked_secret(signing.algorithm or Algorithm.HMAC_SHA256, own)
        secrets = rotated(endpoint.secrets, secret, overlap_seconds=overlap_seconds, now=time.time())
        endpoint = endpoint.resecured(secrets, clock.now())
        await endpoints.update(tx, cipher, endpoint)
    return SecuredEndpoint(endpoint, _shown(secret, signing))


async def switch_endpoint(
    database: Database,
    outbox: Outbox,
    clock: Clock,
    cipher: SecretCipher,
    endpoint_id: UUID,
    *,
    enabled: bool,
    reason: str | None,
) -> Endpoint:
    """Enable an endpoint, or disable it for a reason. Where it is so already, nothing changes but the reason.

    Deliveries that wait for a disabled endpoint end as ``disabled``. Raises EndpointNotFoundError.
    """
    async with database.transaction() as tx:
        endpoint = await _locked(tx, cipher, endpoint_id, None)
        config = endpoint.config.merged({"enabled": enabled, "disabled_reason": reason})
        endpoint = await _reconfigure(tx, clock, cipher, endpoint, config)
    if not enabled:
        await end_deliveries_of(database, outbox, endpoint_id)
    return endpoint


async def delete_endpoint(database: Database, outbox: Outbox, endpoint_id: UUID, expected: int | None) -> None:
    """Delete an endpoint and its secret for good. Its deliveries stay; those that wait end as ``cancelled``.

    Raises:
        EndpointNotFoundError
        StaleVersionError: the version is not ``expected`` (None: any will do).
    """
    async with database.transaction() as tx:
        version = await endpoints.lock_version(tx, endpoint_id)
        if version is None:
            raise EndpointNotFoundError(f"there is no endpoint {endpoint_id}")
        _expect(version, expected)
        await endpoints.delete(tx, endpoint_id)
    await end_deliveries_of(database, outbox, endpoint_id)


async def _reconfigure(
    tx: Transaction, clock: Clock, cipher: SecretCipher, endpoint: Endpoint, config: EndpointConfig
) -> Endpoint:
    if config == endpoint.config:
        return endpoint
    if config.url != endpoint.config.url or (config.enabled and not endpoint.config.enabled):
        # Failures at the old URL, or before a client enabled it again, predict nothing about later attempts.
        await circuits.forget(tx, endpoint.id)
    endpoint = endpoint.changed(config, clock.now())
    await endpoints.update(tx, cipher, endpoint)
    return endpoint


async def _check_url(guard: SsrfGuard, config: EndpointConfig) -> None:
    if config.url is not None:
        await guard.check(config.url, seconds=CHECK_SECONDS)


def _new_secret(kind: Channel, signing: Signing) -> str | None:
    if kind is Channel.WEBHOOK:
        return _checked_secret(signing.algorithm or Algorithm.HMAC_SHA256, signing.secret)
    for field_name, value in (("secret", signing.secret), ("signatureAlgorithm", signing.algorithm)):
        if value is not None:
            raise NotOfThisKindError(field_name, f"an endpoint of kind {kind} signs nothing")
    return None


def _checked_secret(algorithm: Algorithm, own: str | None) -> str:
    secret = generate_secret(algorithm) if own is None else check_secret(own, algorithm)
    if algorithm is Algorithm.ED25519:
        public_key(secret)
    return secret


def _shown(secret: str | None, signing: Signing) -> str | None:
    return secret if signing.secret is None and signing.algorithm is not Algorithm.ED25519 else None


async def _locked(tx: Transaction, cipher: SecretCipher, endpoint_id: UUID, expected: int | None) -> Endpoint:
    endpoint = _found(await endpoints.lock(tx, cipher, endpoint_id), endpoint_id)
    _expect(endpoint.version, expected)
    return endpoint


def _expect(version: int, expected: int | None) -> None:
    if expected is not None and version != expected:
        raise StaleVersionError(f'the endpoint is at version "{version}", not "{expected}": read it again')


def _found(endpoint: Endpoint | None, endpoint_id: UUID) -> Endpoint:
    if endpoint is None:
        raise EndpointNotFoundError(f"there is no endpoint {endpoint_id}")
    return endpoint
