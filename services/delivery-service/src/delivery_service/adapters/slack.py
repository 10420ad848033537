"""The channel ``slack``: a message to the incoming webhook of a channel."""

from collections.abc import Mapping

import structlog
from pydantic_core import to_json

from contracts.due import parse_due_event
from contracts.messages.user import Contact
from delivery_service.adapters.message_values import TEST_VALUES, event_values, operational_event_values
from delivery_service.adapters.posting import USER_AGENT, Poster
from delivery_service.adapters.secret_cipher import SecretCipher
from delivery_service.domain.attempts import Fault, Reply
from delivery_service.domain.deliveries import Dispatch, Target
from delivery_service.domain.errors import SecretsUnreadableError

log = structlog.get_logger(__name__)

# What Slack reads as markup; a name must not call a whole channel.
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class SlackSender:
    """``cipher`` opens an endpoint's URL, which is a secret."""

    def __init__(self, poster: Poster, cipher: SecretCipher) -> None:
        self._poster = poster
        self._cipher = cipher

    async def send(self, dispatch: Dispatch, target: Target, traceparent: str) -> Reply:
        said = (
            operational_event_values(dispatch.due)
            if dispatch.operational
            else event_values(parse_due_event(dispatch.due))
        )
        return await self._send(target, said)

    async def test(self, target: Target, contact: Contact, traceparent: str) -> Reply:
        return await self._send(target, TEST_VALUES)

    async def _send(self, target: Target, said: Mapping[str, object]) -> Reply:
        try:
            confidential = self._cipher.decrypt(target.endpoint_id, target.sealed)
        except SecretsUnreadableError as error:
            log.warning("an address cannot be opened", endpoint_id=str(target.endpoint_id), error=str(error))
            return Reply(None, Fault.SEALED, 0.0)
        escaped = {name: str(value).translate(_ESCAPES) for name, value in said.items() if value is not None}
        headers = {"content-type": "application/json", "user-agent": USER_AGENT, "accept-encoding": "identity"}
        body = to_json({"text": target.template.render_text(escaped)})
        return await self._poster.post(
            confidential.url or "",
            headers,
            body,
            timeout_seconds=target.timeout_seconds,
            redactions=confidential.redactions,
            send_by=target.send_by,
        )
