"""The outcomes of each user's events, and of those of the users with a tag."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from analytics_service.adapters import engagement, tag_engagement
from analytics_service.domain.errors import UserNotFoundError
from analytics_service.domain.facts import Engagement, TagEngagement
from chassis.database.read_routing import Reads

__all__ = ["Engagement", "TagEngagement", "list_engagement", "list_tags", "user_engagement"]


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


async def list_tags(
    reads: Reads, *, tag: str | None, before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[tuple[UUID, TagEngagement]]:
    """Each with its place in the order, whose event ended last first; of one tag alone, that one or nothing."""
    async with reads.open() as reader:
        return await tag_engagement.page(reader, tag, before, limit)
