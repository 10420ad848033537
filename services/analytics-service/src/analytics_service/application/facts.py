"""Facts in, exact counts out."""

from collections import Counter
from collections.abc import Sequence

from opentelemetry import metrics

from analytics_service.adapters import dead_letter_alerts, engagement, rollups, tag_engagement, timelines
from analytics_service.domain.facts import Engagement, Fact, Kind, Rollup, TagEngagement
from chassis.database import inbox
from chassis.database.database import Database
from chassis.messaging import erasures

_recorded = metrics.get_meter("almanac.analytics").create_counter(
    "almanac_analytics_facts", description="Facts recorded, by kind; duplicates are not"
)


async def record(database: Database, facts: Sequence[Fact]) -> None:
    """Count the facts, show them on their events' timelines, and do nothing for those that are known already."""
    by_item = {fact.item_id: fact for fact in facts}
    async with database.transaction() as tx:
        unseen = await inbox.unseen(tx, by_item.keys())
        fresh = [fact for item_id, fact in by_item.items() if item_id in unseen]
        if not fresh:
            return
        if of_events := [fact for fact in fresh if fact.event_id is not None]:
            await timelines.insert(tx, of_events)
        if given_up := [fact for fact in fresh if fact.kind is Kind.DEAD_LETTERED]:
            await dead_letter_alerts.insert(tx, given_up)
        if engaged := Engagement.of(fresh):
            await engagement.add(tx, engaged)
        if gone := [fact.user_id for fact in fresh if fact.kind is Kind.USER_DELETED and fact.user_id]:
            await engagement.forget(tx, gone)
            await erasures.request(tx, gone)
        if tagged := TagEngagement.of(fresh):
            await tag_engagement.add(tx, tagged)
        # Last, since every other batch waits for these rows until the commit.
        await rollups.add(tx, Rollup.of(fresh))
    for kind, count in Counter(fact.kind for fact in fresh).items():
        _recorded.add(count, {"kind": kind})
