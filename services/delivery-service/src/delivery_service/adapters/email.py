"""The channel ``email``: text and HTML by Amazon SES, to the user's own address."""

from collections.abc import Mapping

from contracts.due import parse_due_event
from contracts.messages.user import Contact
from delivery_service.adapters.aws import AwsCaller
from delivery_service.adapters.message_values import TEST_VALUES, event_values
from delivery_service.domain.attempts import Fault, Reply
from delivery_service.domain.deliveries import Dispatch, Target


class EmailSender:
    """``sender`` is the address that e-mails come from, one that SES knows; None where the service sends none."""

    def __init__(self, ses: AwsCaller, *, sender: str | None) -> None:
        self._ses = ses
        self._sender = sender

    async def send(self, dispatch: Dispatch, target: Target, traceparent: str) -> Reply:
        due = parse_due_event(dispatch.due)
        return await self._send(target, due.metadata.contact, event_values(due))

    async def test(self, target: Target, contact: Contact, traceparent: str) -> Reply:
        return await self._send(target, contact, TEST_VALUES)

    async def _send(self, target: Target, contact: Contact, said: Mapping[str, object]) -> Reply:
        if self._sender is None:
            return Reply(None, Fault.NOT_CONFIGURED, 0.0)
        if contact.email is None:
            return Reply(None, Fault.NO_CONTACT, 0.0)
        template = target.template
        parameters = {
            "FromEmailAddress": self._sender,
            "Destination": {"ToAddresses": [contact.email]},
            "Content": {
                "Simple": {
                    "Subject": _text(template.render_subject(said)),
                    "Body": {"Text": _text(template.render_text(said)), "Html": _text(template.render_html(said))},
                }
            },
        }
        return await self._ses.call(
            "send_email", parameters, timeout_seconds=target.timeout_seconds, personal=contact.email
        )


def _text(content: str) -> dict[str, str]:
    return {"Data": content, "Charset": "UTF-8"}
