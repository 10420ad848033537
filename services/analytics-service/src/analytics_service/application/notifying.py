"""Sends pending notifications to each channel until it accepts them."""

import asyncio
from collections.abc import Mapping

import structlog
from opentelemetry import metrics

from analytics_service.adapters import notifications
from analytics_service.application.ports import AlertChannel
from analytics_service.domain.alert_notifications import AlertNotification, NotSentError
from chassis.database.database import Database

log = structlog.get_logger(__name__)
_sent = metrics.get_meter("almanac.alerts").create_counter(
    "almanac_alert_notifications", description="Attempts to send a notification of an alert, by channel and result"
)

BATCH = 20
LEASE_SECONDS = 60.0
"""How long one process has for a batch before another tries it."""
POLL_SECONDS = 2.0


class Notifier:
    """A step of a loop, safe in many processes at once. Each notice is sent at least once, an alert's in turn."""

    def __init__(self, database: Database, channels: Mapping[str, AlertChannel]) -> None:
        self._database = database
        self._channels = channels

    async def step(self) -> float:
        names = list(self._channels)
        claimed = await notifications.claim(self._database, names, limit=BATCH, lease_seconds=LEASE_SECONDS)
        if claimed:
            await asyncio.gather(*(self._send(notice, attempts) for notice, attempts in claimed))
            return 0.0
        due = await notifications.next_due(self._database, names)
        return POLL_SECONDS if due is None else min(POLL_SECONDS, max(0.05, due))

    async def _send(self, notice: AlertNotification, attempts: int) -> None:
        told = {"channel": notice.channel, "rule": notice.rule, "action": notice.action.value, "attempts": attempts}
        try:
            await self._channels[notice.channel].send(notice)
        except NotSentError as error:
            given_up = await notifications.failed(
                self._database, notice.id, attempts=attempts, error=str(error), hopeless=error.hopeless
            )
            _sent.add(1, {"channel": notice.channel, "result": "abandoned" if given_up else "failed"})
            (log.error if given_up else log.warning)(
                "notification not sent", given_up=given_up, error=str(error), **told
            )
            return
        await notifications.sent(self._database, notice.id)
        _sent.add(1, {"channel": notice.channel, "result": "sent"})
        log.info("told", **told)
