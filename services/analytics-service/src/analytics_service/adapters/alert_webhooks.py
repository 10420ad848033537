"""The channel ``webhook``: any receiver, signed as Standard Webhooks are."""

import time

from pydantic_core import to_json

from analytics_service.adapters.posting import Posting
from analytics_service.domain.alert_notifications import AlertNotification
from chassis.core.signatures import hmac_signature, signed_content


class AlertWebhook:
    """``key`` signs. ``webhook-id`` is the same at every attempt, so that a receiver knows a repetition."""

    def __init__(self, posting: Posting, *, url: str, key: bytes) -> None:
        self._posting = posting
        self._url = url
        self._key = key

    async def send(self, notice: AlertNotification) -> None:
        body = to_json(
            {
                "type": f"alert.{notice.action}",
                "timestamp": notice.at,
                "data": {
                    "dedupKey": notice.dedup_key,
                    "rule": notice.rule,
                    "severity": notice.severity,
                    "summary": notice.summary,
                    "labels": notice.labels,
                    "value": notice.value,
                    "firedAt": notice.fired_at,
                    "runbook": notice.runbook,
                    "by": notice.by,
                },
            }
        )
        webhook_id, timestamp = str(notice.id), int(time.time())
        headers = {
            "webhook-id": webhook_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": hmac_signature(self._key, signed_content(webhook_id, timestamp, body)),
        }
        await self._posting.post(self._url, body, headers)
