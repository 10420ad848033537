"""What this release of public holidays says of calendars, kept for when another one differs or drops them (ADR 32)."""

import asyncio
from collections.abc import Collection, Iterable

from chassis.database.database import Database, Transaction
from event_service.adapters import calendar_rules
from event_service.domain import calendars
from event_service.domain.calendars import Calendar, Days
from event_service.domain.schedules import Schedule


async def remember_of(tx: Transaction, schedules: Iterable[Schedule]) -> None:
    """Keep the days of the calendars that schedules come to keep to, before a release that drops them can be there."""
    named = {each.business_days.calendar for each in schedules if each.business_days is not None}
    if supported := _supported(named):
        await _remember(tx, await calendar_rules.unknown(tx, calendars.RELEASE, supported))


async def remember_in_use(database: Database) -> list[Calendar]:
    """Keep the days of all calendars that schedules keep to. Returns those calendars."""
    async with database.read() as connection:
        used = await calendar_rules.in_use(connection)
        missing = await calendar_rules.unknown(connection, calendars.RELEASE, _supported(used))
    for each in missing:
        async with database.transaction() as tx:
            await _remember(tx, [each])
    return used


async def dropped(database: Database) -> list[Calendar]:
    """Return the calendars that schedules keep to and this release does not have."""
    async with database.read() as connection:
        return [each for each in await calendar_rules.in_use(connection) if not each.is_supported]


def _supported(named: Collection[Calendar]) -> list[Calendar]:
    return sorted((each for each in named if each.is_supported), key=lambda each: each.name)


async def _remember(tx: Transaction, missing: Collection[Calendar]) -> None:
    if missing:
        # Forty years of a calendar take a moment.
        await calendar_rules.remember(tx, calendars.RELEASE, await asyncio.to_thread(_days, missing))


def _days(missing: Collection[Calendar]) -> dict[Calendar, Days]:
    return {each: each.days() for each in missing}
