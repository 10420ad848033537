"""What Standard Webhooks sign, and how with a secret that both sides know."""

import hmac
from base64 import b64encode


def signed_content(webhook_id: str, timestamp: int, body: bytes) -> bytes:
    """The bytes that a signature is over."""
    return b"%s.%d.%s" % (webhook_id.encode(), timestamp, body)


def hmac_signature(key: bytes, content: bytes) -> str:
    """One value of ``webhook-signature``, version ``v1``. ``key`` is the base64 value after ``whsec_``."""
    return f"v1,{b64encode(hmac.digest(key, content, 'sha256')).decode()}"
