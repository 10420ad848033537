"""Endpoints' secrets: how they are made, and the one place where a stored one becomes something that signs."""

from base64 import b64encode
from functools import lru_cache
from secrets import token_bytes

from standardwebhooks import Webhook

PREFIX = "whsec_"
SECRET_BYTES = 32


def generate_secret() -> str:
    """A new secret in the form of Standard Webhooks: ``whsec_`` and 32 random bytes in base64."""
    return PREFIX + b64encode(token_bytes(SECRET_BYTES)).decode()


@lru_cache(maxsize=1024)
def signer(stored: str) -> Webhook:
    """What signs with the secret that the column ``endpoints.secret`` holds."""
    return Webhook(stored)
