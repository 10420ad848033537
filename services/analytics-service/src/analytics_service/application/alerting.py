"""Judging what was observed, and having people told of it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import structlog
from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation
from uuid_utils.compat import uuid7

from analytics_service.adapters import alerts, notifications, silences
from analytics_service.domain.alert_rules import NAMES
from analytics_service.domain.alerts import Alert, AlertState, Changes, Rule, Severity, evaluate
from analytics_service.domain.notices import Action, Notice, Policy
from analytics_service.domain.observations import Observations
from chassis.database import Database, Transaction
from chassis.leases import Lease
from chassis.lifecycle import Loop

log = structlog.get_logger(__name__)

LEASE_SECONDS = 20.0
"""When the process that judges dies, another takes over after so long."""


class Alerter:
    """A role. Of several processes the one with the lease judges.

    Args:
        judged: called after each judgement, to have what it wrote sent at once.
    """

    name = "alerter"

    def __init__(
        self,
        database: Database,
        observe: Callable[[], Awaitable[Observations]],
        rules: Sequence[Rule],
        policy: Policy,
        *,
        every_seconds: float,
        judged: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._observe = observe
        self._rules = rules
        self._policy = policy
        self._every = every_seconds
        self._judged = judged
        self._lease = Lease(database, "alerter", seconds=max(LEASE_SECONDS, 4 * every_seconds))
        self._firing: Counter[str] | None = None
        metrics.get_meter("almanac.alerts").create_observable_gauge(
            "almanac_alerts_firing", [self.firing], description="Alerts that fire, by rule"
        )

    async def run(self, stopping: asyncio.Event) -> None:
        await Loop(self.name, self.step).run(stopping)
        await self._lease.release()

    async def step(self) -> float:
        """Look and judge once. Returns the seconds until the next."""
        if not await self._lease.held():
            self._firing = None
            return self._every
        observations = await self._observe()
        async with self._database.transaction() as tx:
            live = await judge(tx, observations, self._rules, self._policy)
        self._firing = Counter(alert.rule for alert in live if alert.state is AlertState.FIRING)
        self._judged()
        return self._every

    def firing(self, _: CallbackOptions | None = None) -> Iterable[Observation]:
        """Of the process that judges alone, lest a sum counts twice."""
        firing = self._firing
        return [] if firing is None else [Observation(firing[name], {"rule": name}) for name in NAMES]


async def judge(tx: Transaction, observations: Observations, rules: Sequence[Rule], policy: Policy) -> Sequence[Alert]:
    """Bring the alerts up to date and leave what is to be said in the same transaction. The live ones."""
    now = await alerts.enter(tx)
    before = {alert.id: alert for alert in await alerts.live(tx)}
    hushed = await silences.active(tx)
    changes = evaluate(rules, observations, list(before.values()), await alerts.ended(tx), now, uuid7)
    live = [replace(each, notified_at=now) if policy.is_due(each, hushed, now) else each for each in changes.kept]
    told = [each for each in live if each.notified_at == now]
    over = [each for each in changes.resolved if each.notified_at is not None]
    await alerts.save(tx, [each for each in (*live, *changes.resolved) if each != before.get(each.id)])
    await alerts.drop(tx, [each for each in changes.dropped if each.id in before])
    await alerts.note(tx, "fired", changes.fired, now)
    await alerts.note(tx, "resolved", changes.resolved, now)
    runbooks = {rule.name: rule.runbook for rule in rules}
    await notifications.add(
        tx,
        [
            *notices(Action.TRIGGER, told, policy, runbooks, now),
            *notices(Action.RESOLVE, over, policy, runbooks, now),
        ],
    )
    _say(changes)
    return live


def notices(
    action: Action,
    about: Sequence[Alert],
    policy: Policy,
    runbooks: Mapping[str, str],
    now: datetime,
    *,
    by: str | None = None,
) -> list[Notice]:
    """One for each alert and channel that its severity is routed to."""
    return [
        Notice(
            id=new_id(),
            channel=channel,
            dedup_key=alert.fingerprint,
            action=action,
            rule=alert.rule,
            severity=alert.severity,
            summary=alert.summary,
            labels=alert.labels,
            value=alert.value,
            at=now,
            fired_at=alert.fired_at or alert.since,
            runbook=runbooks.get(alert.rule, alert.rule.lower()),
            by=by,
        )
        for alert in about
        for channel in policy.routes.get(alert.severity, ())
    ]


def new_id() -> UUID:
    """In the order of creation, which is the order of sending."""
    return uuid7()


def _say(changes: Changes) -> None:
    for alert in changes.fired:
        level = log.error if alert.severity is Severity.CRITICAL else log.warning
        level("alert fires", rule=alert.rule, labels=dict(alert.labels), summary=alert.summary, value=alert.value)
    for alert in changes.resolved:
        log.info("alert resolved", rule=alert.rule, labels=dict(alert.labels))
