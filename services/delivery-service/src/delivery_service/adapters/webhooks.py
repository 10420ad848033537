"""The channel ``webhook``: a signed POST in the form of Standard Webhooks (docs/architecture.md#delivery)."""

import time
from uuid import uuid4

import structlog
from pydantic_core import to_json

from contracts.due import parse_due_event
from contracts.messages.user import Contact
from contracts.webhook import build_webhook
from delivery_service.adapters.posting import USER_AGENT, Poster
from delivery_service.adapters.secret_cipher import SecretCipher
from delivery_service.adapters.signatures import sign
from delivery_service.domain.attempts import Fault, Reply
from delivery_service.domain.deliveries import Dispatch, Target
from delivery_service.domain.errors import SecretsUnreadableError
from delivery_service.domain.signing import signing
from delivery_service.domain.templates import TEST_MESSAGE

log = structlog.get_logger(__name__)


class WebhookSender:
    """Signs and sends. ``cipher`` decrypts an endpoint's secrets."""

    def __init__(self, poster: Poster, cipher: SecretCipher) -> None:
        self._poster = poster
        self._cipher = cipher

    async def send(self, dispatch: Dispatch, target: Target, traceparent: str) -> Reply:
        """Make one attempt. Never raises for what the receiver or the network does."""
        if dispatch.operational:
            return await self.post(target, str(dispatch.event_id), dispatch.due.encode(), traceparent)
        due = parse_due_event(dispatch.due)
        return await self.post(target, due.idempotency_key, build_webhook(due).model_dump_json().encode(), traceparent)

    async def test(self, target: Target, contact: Contact, traceparent: str) -> Reply:
        """Send a webhook of the type ``test``, with an id of its own. Contacts do not go into webhooks."""
        body = {
            "type": "test",
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "data": {"endpointId": target.endpoint_id, "message": TEST_MESSAGE},
        }
        return await self.post(target, f"test-{uuid4()}", to_json(body), traceparent)

    async def post(self, target: Target, webhook_id: str, body: bytes, traceparent: str) -> Reply:
        """Sign and POST any JSON body. Never raises for what the receiver or the network does."""
        try:
            confidential = self._cipher.decrypt(target.endpoint_id, target.sealed)
        except SecretsUnreadableError as error:
            log.warning("nothing can be signed", endpoint_id=str(target.endpoint_id), error=str(error))
            return Reply(None, Fault.SEALED, 0.0)
        now = int(time.time())
        headers = {
            **confidential.headers,
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            "accept-encoding": "identity",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(now),
            "webhook-signature": sign(signing(confidential.secrets, now), webhook_id, now, body),
            "idempotency-key": webhook_id,
            "traceparent": traceparent,
        }
        return await self._poster.post(
            target.url or "",
            headers,
            body,
            timeout_seconds=target.timeout_seconds,
            redactions=confidential.redactions,
            send_by=target.send_by,
        )
