"""What became of each user's events."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from analytics_service.adapters import engagement
from analytics_service.domain.errors import UserNotFoundError
from analytics_service.domain.facts import Engagement
from chassis.reads import Reads

__all__ = ["Engagement", "list_engagement", "user_engagement"]


async def list_engagement(reads: Reads, *, before: tuple[datetime, UUID] | None, limit: int) -> Sequence[Engagement]:
    """Whose event ended last comes first; ``before`` is where the page before ended."""
    async with reads.open() as reader:
        return await engagement.page(reader, before, limit)


async def user_engagement(reads: Reads, user_id: UUID) -> Engagement:
    """Raises UserNotFoundError."""
    found = await reads.find(lambda reader: engagement.find(reader, user_id))
    if found is None:
        raise UserNotFoundError(f"no event of user {user_id} has ended")
    return found
