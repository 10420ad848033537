"""Looking at deliveries, hurrying and cancelling them."""

from collections.abc import Sequence
from uuid import UUID

import structlog

from chassis.database.database import Database, is_outage
from chassis.messaging import erasures
from chassis.messaging.outbox import Outbox
from contracts.vocabulary import FailureReason
from delivery_service.adapters import dead_letters, deliveries, ingest, redrives, withdrawals
from delivery_service.application.recording import record_within
from delivery_service.domain.attempts import Attempt
from delivery_service.domain.deliveries import Delivery, DeliveryStatus, Lease, Search, not_sent
from delivery_service.domain.errors import (
    AttemptInProgressError,
    DeliveryEndedError,
    DeliveryNotFoundError,
    NotRedrivableError,
)

log = structlog.get_logger(__name__)

LEASE_SECONDS = 60.0
ENDED_AT_ONCE = 1_000
"""Deliveries that the request which disables or deletes an endpoint ends itself, in one transaction."""


async def search_deliveries(database: Database, wanted: Search, limit: int) -> Sequence[Delivery]:
    """Newest first, at most ``limit``."""
    async with database.read() as connection:
        return await deliveries.search(connection, wanted, limit)


async def find_delivery(database: Database, delivery_id: UUID) -> tuple[Delivery, Sequence[Attempt]]:
    """One delivery with its attempts, oldest first. Raises DeliveryNotFoundError."""
    async with database.read() as connection:
        delivery = await deliveries.find(connection, delivery_id)
        if delivery is None:
            raise DeliveryNotFoundError(f"there is no delivery {delivery_id}")
        return delivery, await deliveries.attempts(connection, delivery_id)


async def retry_delivery(database: Database, delivery_id: UUID, horizon: float) -> Delivery:
    """Have a delivery tried now: one that waits, or one that failed, which gets new tries.

    Raises:
        DeliveryNotFoundError
        DeliveryInHandError: an attempt is in progress.
        DeliveryEndedError: it has succeeded.
        NotRedrivableError: its endpoint is deleted or not enabled, no endpoint wanted the event, or its user was
            deleted.
    """
    delivery, _ = await find_delivery(database, delivery_id)
    async with database.transaction() as tx:
        if delivery.user_id is not None and await erasures.requested(tx, [delivery.user_id]):
            raise NotRedrivableError("its user was deleted")
        if delivery.status is DeliveryStatus.SUCCEEDED:
            raise DeliveryEndedError("it has succeeded: there is nothing to try again")
        if delivery.status is DeliveryStatus.PENDING:
            scheduled = await withdrawals.retry_now(tx, delivery_id)
            if scheduled is None:
                raise AttemptInProgressError("an attempt is in progress; its result is known in a moment")
            if not scheduled:
                raise NotRedrivableError(f"endpoint {delivery.endpoint_id} is deleted or not enabled")
        elif delivery.endpoint_id is None:
            raise NotRedrivableError("no endpoint wanted the event: redrive its dead letter")
        else:
            await ingest.lock(tx, [delivery.event_id])
            if not await redrives.revive(tx, [delivery_id], horizon):
                raise NotRedrivableError(f"endpoint {delivery.endpoint_id} is deleted or not enabled")
            await dead_letters.resolve_redriven(tx, [delivery.event_id], [delivery_id])
    return (await find_delivery(database, delivery_id))[0]


async def end_deliveries_of(database: Database, outbox: Outbox, endpoint_id: UUID) -> int:
    """End deliveries that wait for a disabled or deleted endpoint, up to ``ENDED_AT_ONCE``. Returns how many.

    Workers end the rest, including later ones, within a second. So an outage of the database is no error here:
    that the endpoint is disabled is committed.
    """
    try:
        async with database.transaction() as tx:
            leased = await withdrawals.lease_ended(tx, endpoint_id, ENDED_AT_ONCE, Lease.begin(LEASE_SECONDS))
            if leased:
                await record_within(tx, outbox, [not_sent(*each) for each in leased])
    except Exception as error:
        if not is_outage(error):
            raise
        log.warning("deliveries left to be ended by workers", endpoint_id=str(endpoint_id), error=repr(error))
        return 0
    return len(leased)


async def cancel_delivery(database: Database, outbox: Outbox, delivery_id: UUID) -> Delivery:
    """End a delivery that waits, as ``cancelled``.

    Raises:
        DeliveryNotFoundError
        DeliveryInHandError: an attempt is in progress.
        DeliveryEndedError
    """
    async with database.transaction() as tx:
        dispatch = await withdrawals.lease_one(tx, delivery_id, Lease.begin(LEASE_SECONDS))
        if dispatch is not None:
            await record_within(tx, outbox, [not_sent(dispatch, FailureReason.CANCELLED)])
    delivery, _ = await find_delivery(database, delivery_id)
    if dispatch is None:
        if delivery.status is DeliveryStatus.PENDING:
            raise AttemptInProgressError("an attempt is in progress; its result is known in a moment")
        raise DeliveryEndedError(f"it has ended: {delivery.reason or 'succeeded'}")
    return delivery
