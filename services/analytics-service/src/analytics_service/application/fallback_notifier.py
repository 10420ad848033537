"""Sends notifications that cannot be stored first: that the database of alerts is unreachable."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from analytics_service.application.alert_notifications import notices
from analytics_service.application.ports import AlertChannel
from analytics_service.domain.alert_notifications import Action, NotSentError, Policy
from analytics_service.domain.alerts import Alert, AlertState, Reading, Rule

log = structlog.get_logger(__name__)

RULE = "DatabaseDown"


class FallbackNotifier:
    """Sends the rule's notification at once, to each channel until it accepts it, while the database is unreachable.

    Once it is back, :attr:`alert` is the alert to be stored, and resolved like any other.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        policy: Policy,
        channels: Mapping[str, AlertChannel],
        *,
        service: str,
        new_id: Callable[[], UUID],
    ) -> None:
        self._rule = next((rule for rule in rules if rule.name == RULE), None)
        self._policy = policy
        self._channels = channels
        self._reading = Reading(1.0, {"service": service})
        self._new_id = new_id
        self._away_since: datetime | None = None
        self._told: set[str] = set()
        self.alert: Alert | None = None

    async def away(self, now: datetime | None = None) -> None:
        """The database did not answer. Sends notifications once this has lasted for the rule's duration."""
        now = now or datetime.now(UTC)
        self._away_since = self._away_since or now
        rule = self._rule
        if rule is None or now - self._away_since < timedelta(seconds=rule.for_seconds):
            return
        if self.alert is None:
            self.alert = Alert(
                id=self._new_id(),
                rule=rule.name,
                severity=rule.severity,
                labels=self._reading.labels,
                state=AlertState.FIRING,
                value=1.0,
                summary=rule.say(self._reading),
                since=self._away_since,
                fired_at=now,
                notified_at=now,
            )
            log.error("alert fires", rule=rule.name, summary=self.alert.summary)
        for notice in notices(Action.TRIGGER, [self.alert], self._policy, {rule.name: rule.runbook}, now):
            if notice.channel in self._told:
                continue
            try:
                await self._channels[notice.channel].send(notice)
            except NotSentError as error:
                log.warning("no channel configured", channel=notice.channel, rule=rule.name, error=str(error))
            else:
                self._told.add(notice.channel)

    def back(self) -> None:
        """It answers, and the alert is stored."""
        self._away_since, self.alert = None, None
        self._told.clear()
