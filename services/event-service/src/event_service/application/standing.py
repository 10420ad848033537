"""How the events as a whole stand: pending, late and claimed events."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from chassis.database.database import Database
from event_service.adapters import figures
from event_service.adapters.figures import InHand, Pending, Waiting
from event_service.domain.events import LATE_AFTER


@dataclass(frozen=True, slots=True)
class Standing:
    """By priority, in their order; ``pending`` over all of them."""

    waiting: Sequence[Waiting]
    in_hand: Sequence[InHand]
    pending: Pending


async def read_standing(database: Database) -> Standing:
    """From the database, so the same whichever process asks."""
    waiting, in_hand, pending = await asyncio.gather(
        figures.count_waiting(database, late_after_seconds=LATE_AFTER.total_seconds()),
        figures.count_in_hand(database),
        figures.count_pending(database),
    )
    return Standing(waiting, in_hand, pending)
