"""Alerts on a real database: one process evaluates, all notify, in order and until a channel accepts."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from alert_scenarios import BROKEN, WELL
from sqlalchemy import text

from analytics_service.application.alert_notifications import new_id
from analytics_service.application.alerting import Alerter, judge
from analytics_service.application.fallback_notifier import FallbackNotifier
from analytics_service.application.notifying import Notifier
from analytics_service.domain.alert_notifications import Action, AlertNotification, NotSentError, Policy
from analytics_service.domain.alert_rules import NAMES, RULES
from analytics_service.domain.alerts import Alert, AlertState, Rule, Severity
from analytics_service.domain.observations import Observations
from chassis.database.database import Database
from testkit.plugin import DatabaseFactory

AT_ONCE = {rule.name: replace(rule, for_seconds=0, clear_seconds=0) for rule in RULES}
POLICY = Policy(
    {Severity.CRITICAL: ["pager", "chat"], Severity.WARNING: ["chat"]},
    {Severity.CRITICAL: 60.0, Severity.WARNING: 3600.0},
)


class Somebody:
    """Records notifications; refuses the next about a rule on request."""

    def __init__(self) -> None:
        self.heard: list[AlertNotification] = []
        self.refusals: dict[str, NotSentError] = {}

    async def send(self, notice: AlertNotification) -> None:
        if refusal := self.refusals.pop(notice.rule, None):
            raise refusal
        self.heard.append(notice)

    @property
    def actions(self) -> list[tuple[Action, str]]:
        return [(notice.action, notice.rule) for notice in self.heard]


@pytest.fixture
async def db(database: DatabaseFactory) -> AsyncIterator[Database]:
    opened = Database(await database("analytics-service"))
    yield opened
    await opened.close()


@pytest.fixture
def pager() -> Somebody:
    return Somebody()


@pytest.fixture
def chat() -> Somebody:
    return Somebody()


async def _see(db: Database, observations: Observations, *rules: Rule, policy: Policy = POLICY) -> Sequence[Alert]:
    async with db.transaction() as tx:
        return await judge(tx, observations, rules or list(AT_ONCE.values()), policy)


async def _end(db: Database, rule: Rule) -> None:
    """Two looks at what is well: the first begins the time that it has to be."""
    await _see(db, WELL, rule)
    assert not await _see(db, WELL, rule)


async def _tell(db: Database, **channels: Somebody) -> None:
    """Send all that is due."""
    notifier = Notifier(db, channels)
    while await notifier.step() == 0.0:
        pass


def _fallback(channels: Mapping[str, Somebody]) -> FallbackNotifier:
    return FallbackNotifier(list(AT_ONCE.values()), POLICY, channels, service="analytics-service", new_id=new_id)


async def _execute(db: Database, statement: str, **values: object) -> list[Mapping[str, object]]:
    async with db.transaction() as tx:
        result = await tx.execute(text(statement), values)
        return [dict(row._mapping) for row in result] if result.returns_rows else []


async def test_alert_notifies_when_it_fires_and_when_it_resolves(db: Database, pager: Somebody, chat: Somebody) -> None:
    for name in NAMES:
        (alert,) = await _see(db, BROKEN[name], AT_ONCE[name])
        assert (alert.rule, alert.state) == (name, AlertState.FIRING)
        await _end(db, AT_ONCE[name])
    await _tell(db, pager=pager, chat=chat)
    story = [(action, name) for name in NAMES for action in (Action.TRIGGER, Action.RESOLVE)]
    assert sorted(chat.actions) == sorted(story)
    severe = {rule.name for rule in RULES if rule.severity is Severity.CRITICAL}
    assert sorted(pager.actions) == sorted(each for each in story if each[1] in severe)
    changes = await _execute(db, "SELECT rule, change FROM alert_changes ORDER BY at, id")
    assert [(each["rule"], each["change"]) for each in changes] == [
        (name, change) for name in NAMES for change in ("fired", "resolved")
    ]


async def test_alert_that_keeps_firing_notifies_once_per_reminder_interval(db: Database, chat: Somebody) -> None:
    rule = AT_ONCE["QueueBacklog"]
    for _ in range(3):
        await _see(db, BROKEN["QueueBacklog"], rule)
    await _tell(db, chat=chat)
    assert len(chat.heard) == 1
    await _execute(db, "UPDATE alerts SET notified_at = notified_at - interval '2 hours'")
    for _ in range(2):
        await _see(db, BROKEN["QueueBacklog"], rule)
    await _tell(db, chat=chat)
    assert chat.actions == [(Action.TRIGGER, "QueueBacklog")] * 2
    assert len({notice.dedup_key for notice in chat.heard}) == 1
    assert len({notice.id for notice in chat.heard}) == 2
    assert {notice.runbook for notice in chat.heard} == {f"{POLICY.runbooks}#queuebacklog"}


async def test_what_was_never_said_is_not_taken_back(db: Database, chat: Somebody) -> None:
    await _execute(
        db,
        "INSERT INTO silences (id, labels, until, reason, created_by, created_at) VALUES (gen_random_uuid(), '{}',"
        " now() + interval '1 hour', 'a test', 'ada', now())",
    )
    rule = AT_ONCE["QueueBacklog"]
    (alert,) = await _see(db, BROKEN["QueueBacklog"], rule)
    assert alert.state is AlertState.FIRING
    await _end(db, rule)
    await _tell(db, chat=chat)
    assert chat.heard == []


async def test_alert_that_still_fires_is_notified_when_its_silence_ends(db: Database, chat: Somebody) -> None:
    await _execute(
        db,
        "INSERT INTO silences (id, rule, labels, until, reason, created_by, created_at) VALUES (gen_random_uuid(),"
        " 'QueueBacklog', '{\"queue\": \"bday-analytics\"}', now() + interval '1 hour', 'a test', 'ada', now())",
    )
    rules = AT_ONCE["QueueBacklog"], AT_ONCE["CircuitOpen"]
    both = replace(BROKEN["QueueBacklog"], delivery=BROKEN["CircuitOpen"].delivery)
    await _see(db, both, *rules)
    await _tell(db, chat=chat)
    assert chat.actions == [(Action.TRIGGER, "CircuitOpen")]
    await _execute(db, "UPDATE silences SET until = now() - interval '1 second'")
    await _see(db, both, *rules)
    await _tell(db, chat=chat)
    assert chat.actions[1:] == [(Action.TRIGGER, "QueueBacklog")]


async def test_refused_notification_is_retried_before_later_ones_of_its_alert(
    db: Database, chat: Somebody, pager: Somebody
) -> None:
    rule = AT_ONCE["ServiceDown"]
    await _see(db, BROKEN["ServiceDown"], rule)
    await _end(db, rule)
    await _see(db, BROKEN["QueueBacklog"], AT_ONCE["QueueBacklog"])
    chat.refusals["ServiceDown"] = NotSentError("HTTP 503")
    await _tell(db, chat=chat, pager=pager)
    assert pager.actions == [(Action.TRIGGER, "ServiceDown"), (Action.RESOLVE, "ServiceDown")]
    assert chat.actions == [(Action.TRIGGER, "QueueBacklog")], "another alert does not wait"
    (waiting,) = await _execute(
        db, "SELECT attempts, error, due_at > clock_timestamp() AS later FROM notifications WHERE error IS NOT NULL"
    )
    assert waiting == {"attempts": 1, "error": "HTTP 503", "later": True}
    await _execute(db, "UPDATE notifications SET due_at = clock_timestamp()")
    await _tell(db, chat=chat)
    assert chat.actions[1:] == [(Action.TRIGGER, "ServiceDown"), (Action.RESOLVE, "ServiceDown")]


async def test_undeliverable_notification_is_given_up_and_blocks_no_other(db: Database, chat: Somebody) -> None:
    rule = AT_ONCE["QueueBacklog"]
    await _see(db, BROKEN["QueueBacklog"], rule)
    chat.refusals["QueueBacklog"] = NotSentError("HTTP 400", hopeless=True)
    await _tell(db, chat=chat)
    await _end(db, rule)
    await _tell(db, chat=chat)
    assert chat.actions == [(Action.RESOLVE, "QueueBacklog")]
    await _see(db, BROKEN["QueueBacklog"], rule)
    await _execute(db, "UPDATE notifications SET created_at = created_at - interval '25 hours' WHERE sent_at IS NULL")
    chat.refusals["QueueBacklog"] = NotSentError("HTTP 503")
    await _tell(db, chat=chat)
    assert len(await _execute(db, "SELECT id FROM notifications WHERE abandoned_at IS NOT NULL")) == 2


async def test_notification_held_by_a_dead_process_is_sent_by_another(db: Database, chat: Somebody) -> None:
    await _see(db, BROKEN["QueueBacklog"], AT_ONCE["QueueBacklog"])

    in_hand = asyncio.Event()

    class Hanging(Somebody):
        async def send(self, notice: AlertNotification) -> None:
            in_hand.set()
            await asyncio.Event().wait()

    process = asyncio.create_task(Notifier(db, {"chat": Hanging()}).step())
    await in_hand.wait()
    process.cancel()
    await asyncio.gather(process, return_exceptions=True)
    await _tell(db, chat=chat)
    assert chat.heard == [], "it may be about to send it"
    await _execute(db, "UPDATE notifications SET due_at = clock_timestamp()")
    await _tell(db, chat=chat)
    assert len(chat.heard) == 1


async def test_of_several_processes_one_judges(db: Database, chat: Somebody) -> None:
    looks: list[str] = []

    def alerter(name: str) -> Alerter:
        async def observe() -> Observations:
            looks.append(name)
            return BROKEN["QueueBacklog"]

        return Alerter(db, observe, [AT_ONCE["QueueBacklog"]], POLICY, fallback=_fallback({}), every_seconds=5)

    first, second = alerter("first"), alerter("second")
    for _ in range(2):
        assert [await first.step(), await second.step()] == [5, 5]
    assert looks == ["first", "first"]
    assert {each.attributes["rule"]: each.value for each in first.firing() if each.attributes}["QueueBacklog"] == 1
    assert list(second.firing()) == []
    await _execute(db, "UPDATE leases SET until = clock_timestamp()")
    await second.step()
    assert looks[2:] == ["second"]
    await _tell(db, chat=chat)
    assert len(chat.heard) == 1


async def test_an_alert_that_fires_again_soon_is_known_to_flap(db: Database) -> None:
    rule = AT_ONCE["QueueBacklog"]
    for expected in range(3):
        (alert,) = await _see(db, BROKEN["QueueBacklog"], rule)
        assert alert.flaps == expected
        await _end(db, rule)


async def test_database_outage_is_notified_directly_and_so_is_its_end(
    db: Database, pager: Somebody, chat: Somebody
) -> None:
    away = [False]

    async def observe() -> Observations:
        if away[0]:
            raise ConnectionRefusedError("the database is away")
        return WELL

    channels = {"pager": pager, "chat": chat}
    rules = [AT_ONCE["DatabaseDown"]]

    def alerter() -> Alerter:
        return Alerter(db, observe, rules, POLICY, fallback=_fallback(channels), every_seconds=5)

    leader, other = alerter(), alerter()
    await leader.step()
    await other.step()
    away[0] = True
    chat.refusals["DatabaseDown"] = NotSentError("HTTP 503")
    for _ in range(3):
        await leader.step()
        await other.step()
    assert pager.actions == chat.actions == [(Action.TRIGGER, "DatabaseDown")], "each once, by the one that leads"
    assert pager.heard[0].summary == "PostgreSQL does not answer analytics-service"
    away[0] = False
    for _ in range(3):
        await leader.step()
    await _tell(db, **channels)
    assert pager.actions == chat.actions == [(Action.TRIGGER, "DatabaseDown"), (Action.RESOLVE, "DatabaseDown")]
    assert len({notice.dedup_key for notice in pager.heard}) == 1
    changes = await _execute(db, "SELECT change FROM alert_changes ORDER BY at, id")
    assert [each["change"] for each in changes] == ["fired", "resolved"]


async def test_a_short_outage_of_the_database_is_nobodys_business(pager: Somebody) -> None:
    resort = FallbackNotifier(RULES, POLICY, {"pager": pager}, service="analytics-service", new_id=new_id)
    now = datetime(2026, 11, 23, tzinfo=UTC)
    await resort.away(now)
    await resort.away(now + timedelta(seconds=19))
    resort.back()
    await resort.away(now + timedelta(seconds=40))
    assert resort.alert is None
    assert pager.heard == []


async def test_what_is_no_outage_is_an_error(db: Database, pager: Somebody) -> None:
    async def observe() -> Observations:
        raise ValueError("a mistake of ours")

    judging = Alerter(db, observe, RULES, POLICY, fallback=_fallback({"pager": pager}), every_seconds=5)
    with pytest.raises(ValueError, match="a mistake"):
        await judging.step()
    assert pager.heard == []
