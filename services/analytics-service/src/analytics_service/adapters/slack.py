"""The channel ``slack``: a message to an incoming webhook."""

from pydantic_core import to_json

from analytics_service.adapters.posting import Posting
from analytics_service.domain.alert_notifications import Action, AlertNotification
from analytics_service.domain.alerts import Severity

# What Slack reads as markup; a description must not call a whole channel.
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class Slack:
    """``url`` is a secret of the channel there."""

    def __init__(self, posting: Posting, *, url: str, links: str | None) -> None:
        self._posting = posting
        self._url = url
        self._links = links

    async def send(self, notice: AlertNotification) -> None:
        summary = notice.summary.translate(_ESCAPES)
        match notice.action:
            case Action.TRIGGER:
                sign = ":rotating_light:" if notice.severity is Severity.CRITICAL else ":warning:"
                text = f"{sign} *{notice.rule}*: {summary}"
            case Action.ACKNOWLEDGE:
                text = f":eyes: *{notice.rule}*: {(notice.by or 'somebody').translate(_ESCAPES)} has seen it: {summary}"
            case Action.RESOLVE:
                text = f":white_check_mark: *{notice.rule}* is over: {summary}"
        links = (
            f"<{notice.runbook}|runbook>" if self._links is None else f"<{notice.runbook}|runbook> · <{self._links}>"
        )
        await self._posting.post(self._url, to_json({"text": f"{text}\n{links}"}))
