"""Erasure of deleted users: what user-service does itself, and what the other services report."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from chassis.database.database import Database, Transaction
from chassis.database.read_routing import Reads
from contracts.vocabulary import Service
from user_service.adapters import erasures
from user_service.domain.erasure import Erasure, Report
from user_service.domain.errors import ErasureNotFoundError

SERVICES = tuple(Service)
"""Every service keeps something of a user, so each has to report."""


async def find_erasure(reads: Reads, user_id: UUID) -> Erasure:
    """Raises ErasureNotFoundError: no user with this id was deleted within the last year."""
    found = await reads.find(lambda reader: erasures.find(reader, user_id))
    if found is None:
        raise ErasureNotFoundError(f"no user {user_id} was deleted within the last 365 days")
    requested_at, reports = found
    return Erasure(user_id, requested_at, {service: reports.get(service) for service in SERVICES})


async def record_reports(database: Database, reports: Sequence[Report]) -> None:
    """Store reports; the first of a service and user counts."""
    async with database.transaction() as tx:
        await erasures.report(tx, reports)


async def erase(_: Transaction, user_ids: Sequence[UUID]) -> Collection[UUID]:
    """The user's row went with the deletion; the sent messages of the outbox are the chassis' to erase."""
    return user_ids


async def report_own(tx: Transaction, erased: dict[UUID, datetime]) -> None:
    """Record that this service is done."""
    await erasures.report(tx, [Report(user_id, Service.USER, at) for user_id, at in erased.items()])
