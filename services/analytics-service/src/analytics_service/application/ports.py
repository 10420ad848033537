"""What the use cases need from outside: the channels by which people are notified of alerts."""

from typing import Protocol

from analytics_service.domain.alert_notifications import AlertNotification


class AlertChannel(Protocol):
    """A channel of alerts: PagerDuty, Slack, a webhook, e-mail."""

    async def send(self, notice: AlertNotification) -> None:
        """Send one notice. Raises NotSentError where it was not accepted."""
