"""Facts in, exact counts out."""

from collections import Counter
from collections.abc import Sequence

from opentelemetry import metrics

from analytics_service.adapters import dead_letter_alerts, engagement, rollups, tag_engagement, timelines
from analytics_service.adapters.messages import fact_of_entry
from analytics_service.domain.facts import Engagement, Fact, Kind, Rollup, TagEngagement
from analytics_service.domain.replacements import ENDS, Settled, settle
from chassis.database import inbox
from chassis.database.database import Database, Transaction
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
        # What other batches wait for comes last: until the commit this one alone counts ends, or adds to the rollups.
        settled = await _settle(tx, fresh)
        if engaged := Engagement.of(settled.added):
            await engagement.add(tx, engaged)
        if less_engaged := Engagement.of(settled.taken_back):
            await engagement.subtract(tx, less_engaged)
        if gone := [fact.user_id for fact in fresh if fact.kind is Kind.USER_DELETED and fact.user_id]:
            await engagement.forget(tx, gone)
            await erasures.request(tx, gone)
        if tagged := TagEngagement.of(settled.added):
            await tag_engagement.add(tx, tagged)
        if less_tagged := TagEngagement.of(settled.taken_back):
            await tag_engagement.subtract(tx, less_tagged)
        await rollups.add(tx, Rollup.of(settled.added, settled.taken_back))
    for kind, count in Counter(fact.kind for fact in fresh).items():
        _recorded.add(count, {"kind": kind})


async def _settle(tx: Transaction, fresh: Sequence[Fact]) -> Settled:
    ends = [fact for fact in fresh if fact.kind in ENDS]
    if not ends:
        return Settled(fresh)
    tags = {fact.event_id: fact.tags for fact in ends if fact.tags}
    known = await timelines.earlier_ends(tx, ends)
    return settle(fresh, [fact_of_entry(event_id, entry, tags.get(event_id, ())) for event_id, entry in known])
