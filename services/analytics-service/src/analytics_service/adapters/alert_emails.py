"""The channel ``email``: by Amazon SES."""

from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError

from analytics_service.adapters.posting import TIMEOUT_SECONDS
from analytics_service.domain.alert_notifications import Action, AlertNotification, NotSentError
from chassis.messaging.aws import AwsClient

_WORDS = {Action.TRIGGER: "fires", Action.ACKNOWLEDGE: "has been seen", Action.RESOLVE: "is over"}


class AlertEmails:
    """From an address that SES knows, to several."""

    def __init__(self, ses: AwsClient, *, sender: str, receivers: Sequence[str], links: str | None) -> None:
        self._ses = ses
        self._sender = sender
        self._receivers = list(receivers)
        self._links = links

    async def send(self, notice: AlertNotification) -> None:
        lines = [
            notice.summary,
            "",
            f"severity: {notice.severity}",
            f"value: {notice.value:g}",
            *(f"{name}: {value}" for name, value in sorted(notice.labels.items())),
            f"since: {notice.fired_at.isoformat(timespec='seconds')}",
            *([f"by: {notice.by}"] if notice.by else []),
            f"runbook: {notice.runbook}",
            *([self._links] if self._links else []),
        ]
        parameters = {
            "FromEmailAddress": self._sender,
            "Destination": {"ToAddresses": self._receivers},
            "Content": {
                "Simple": {
                    "Subject": _text(f"[{notice.severity}] {notice.rule} {_WORDS[notice.action]}"),
                    "Body": {"Text": _text("\n".join(lines))},
                }
            },
        }
        try:
            await self._ses.call("send_email", parameters, timeout_seconds=TIMEOUT_SECONDS)
        except ClientError as error:
            raise NotSentError(f"SES refused: {error.response.get('Error', {}).get('Code', 'unknown')}") from None
        except (BotoCoreError, OSError, TimeoutError) as error:
            raise NotSentError(type(error).__name__) from None


def _text(content: str) -> dict[str, str]:
    return {"Data": content, "Charset": "UTF-8"}
