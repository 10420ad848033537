"""The channel ``sms``: a text message by Amazon SNS, to the user's own phone number."""

from collections.abc import Mapping

from contracts.due import parse_due_event
from contracts.messages.user import Contact
from delivery_service.adapters.aws import AwsCaller
from delivery_service.adapters.message_values import TEST_VALUES, event_values
from delivery_service.domain.attempts import Fault, Reply
from delivery_service.domain.deliveries import Dispatch, Target
from delivery_service.domain.templates import MAX_SMS


class SmsSender:
    """``sender_id`` is the name that a phone shows, where the country allows one."""

    def __init__(self, sns: AwsCaller, *, sender_id: str | None) -> None:
        self._sns = sns
        attributes = {"AWS.SNS.SMS.SMSType": "Transactional"}
        if sender_id is not None:
            attributes["AWS.SNS.SMS.SenderID"] = sender_id
        self._attributes = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}

    async def send(self, dispatch: Dispatch, target: Target, traceparent: str) -> Reply:
        due = parse_due_event(dispatch.due)
        return await self._send(target, due.metadata.contact, event_values(due))

    async def test(self, target: Target, contact: Contact, traceparent: str) -> Reply:
        return await self._send(target, contact, TEST_VALUES)

    async def _send(self, target: Target, contact: Contact, said: Mapping[str, object]) -> Reply:
        if contact.phone is None:
            return Reply(None, Fault.NO_CONTACT, 0.0)
        text = target.template.render_text(said)
        if len(text) > MAX_SMS:
            # SNS would refuse it, and would refuse it again.
            detail = f"{len(text)} characters, a text message carries {MAX_SMS}"
            return Reply(None, Fault.TEXT_TOO_LONG, 0.0, detail=detail)
        parameters = {
            "PhoneNumber": contact.phone,
            "Message": text,
            "MessageAttributes": self._attributes,
        }
        return await self._sns.call(
            "publish", parameters, timeout_seconds=target.timeout_seconds, personal=contact.phone
        )
