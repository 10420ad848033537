"""The channel ``pagerduty``: Events API v2."""

from pydantic_core import to_json

from analytics_service.adapters.posting import Posting
from analytics_service.domain.alert_notifications import Action, AlertNotification
from analytics_service.domain.alerts import Severity

SUMMARY = 1024
"""Characters that PagerDuty takes."""


class PagerDuty:
    """``routing_key`` is the integration key of a service there. The dedup key makes many events one incident."""

    def __init__(self, posting: Posting, *, url: str, routing_key: str, links: str | None) -> None:
        self._posting = posting
        self._url = url
        self._routing_key = routing_key
        self._links = links

    async def send(self, notice: AlertNotification) -> None:
        event: dict[str, object] = {
            "routing_key": self._routing_key,
            "event_action": notice.action,
            "dedup_key": notice.dedup_key,
        }
        if notice.action is Action.TRIGGER:
            event["payload"] = {
                "summary": f"{notice.rule}: {notice.summary}"[:SUMMARY],
                "source": notice.labels.get("service", "almanac"),
                "severity": "critical" if notice.severity is Severity.CRITICAL else "warning",
                "timestamp": notice.fired_at.isoformat(),
                "component": notice.labels.get("queue") or notice.labels.get("endpointId"),
                "class": notice.rule,
                "custom_details": {"value": notice.value, "labels": notice.labels, "runbook": notice.runbook},
            }
            if notice.runbook.startswith("http"):  # the release before this wrote the heading alone
                event["links"] = [{"href": notice.runbook, "text": "What to do"}]
            event["client"] = "Almanac"
            if self._links is not None:
                event["client_url"] = self._links
        await self._posting.post(self._url, to_json(event))
