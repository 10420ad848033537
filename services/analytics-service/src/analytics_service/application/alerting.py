"""Evaluates observations and inserts notifications."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace

import structlog
from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from analytics_service.adapters import alerts, notifications, silences
from analytics_service.application.alert_notifications import new_id, notices
from analytics_service.application.fallback_notifier import FallbackNotifier
from analytics_service.domain.alert_notifications import Action, Policy
from analytics_service.domain.alert_rules import NAMES
from analytics_service.domain.alerts import Alert, AlertState, Changes, Rule, Severity, evaluate
from analytics_service.domain.observations import Observations
from chassis.core.lifecycle import Loop
from chassis.database.database import Database, Transaction, is_outage
from chassis.database.leases import Lease

log = structlog.get_logger(__name__)

LEASE_SECONDS = 20.0
"""When the process that judges dies, another takes over after so long."""


class Alerter:
    """A role. Of several processes the one with the lease judges.

    Args:
        last_resort: notifies while the database is unreachable, in the process that evaluated before.
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
        fallback: FallbackNotifier,
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
        self._fallback = fallback
        self._leads = False
        self._firing: Counter[str] | None = None
        metrics.get_meter("almanac.alerts").create_observable_gauge(
            "almanac_alerts_firing", [self.firing], description="Alerts that fire, by rule"
        )

    async def run(self, stopping: asyncio.Event) -> None:
        await Loop(self.name, self.step).run(stopping)
        await self._lease.release()

    async def step(self) -> float:
        """Look and judge once. Returns the seconds until the next."""
        try:
            self._leads = await self._lease.held()
            if self._leads:
                await self._look()
            else:
                self._firing = None
        except Exception as error:
            if not (is_outage(error) and self._leads):
                raise
            log.warning("alerts cannot be evaluated: the database is unreachable", error=repr(error))
            await self._fallback.away()
        return self._every

    async def _look(self) -> None:
        observations = await self._observe()
        async with self._database.transaction() as tx:
            if self._fallback.alert is not None:
                await keep(tx, self._fallback.alert)
            live = await judge(tx, observations, self._rules, self._policy)
        self._fallback.back()
        self._firing = Counter(alert.rule for alert in live if alert.state is AlertState.FIRING)
        self._judged()

    def firing(self, _: CallbackOptions | None = None) -> Iterable[Observation]:
        """Only in the process that evaluates, so that a sum does not count twice."""
        firing = self._firing
        return [] if firing is None else [Observation(firing[name], {"rule": name}) for name in NAMES]


async def keep(tx: Transaction, alert: Alert) -> None:
    """Record an alert whose notifications were sent while it could not be stored. Nothing where there is one like
    it."""
    now = await alerts.enter(tx)
    if all(each.fingerprint != alert.fingerprint for each in await alerts.live(tx)):
        await alerts.save(tx, [alert])
        await alerts.note(tx, "fired", [alert], alert.fired_at or now)


async def judge(tx: Transaction, observations: Observations, rules: Sequence[Rule], policy: Policy) -> Sequence[Alert]:
    """Update the alerts and insert their notifications in the same transaction. The live ones."""
    now = await alerts.enter(tx)
    before = {alert.id: alert for alert in await alerts.live(tx)}
    hushed = await silences.active(tx)
    changes = evaluate(rules, observations, list(before.values()), await alerts.ended(tx), now, new_id)
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


def _say(changes: Changes) -> None:
    for alert in changes.fired:
        level = log.error if alert.severity is Severity.CRITICAL else log.warning
        level("alert fires", rule=alert.rule, labels=dict(alert.labels), summary=alert.summary, value=alert.value)
    for alert in changes.resolved:
        log.info("alert resolved", rule=alert.rule, labels=dict(alert.labels))
