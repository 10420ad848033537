"""Whether a call to AWS that failed may have taken effect nevertheless."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientConnectorError
from botocore.exceptions import (
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ProxyConnectionError,
)

_NOT_SENT = (ConnectTimeoutError, CredentialRetrievalError, NoCredentialsError, ProxyConnectionError)
_SERVER_ERROR = 500


@dataclass(slots=True)
class Certainty:
    """The results of the attempts of one call. ``may_have_taken_effect`` once one of them got no clear answer."""

    may_have_taken_effect: bool = False


_current: ContextVar[Certainty | None] = ContextVar("certainty", default=None)


@contextmanager
def certainty() -> Iterator[Certainty]:
    """Watch the call that is made while the block lasts, by a client that :func:`watch` knows."""
    known = Certainty()
    token = _current.set(known)
    try:
        yield known
    finally:
        _current.reset(token)


def watch(client: Any, operation: str) -> None:
    """Note each attempt of ``operation`` (like ``sns.PublishBatch``).

    botocore repeats a call by itself and raises only what the last attempt met: a call whose first attempt got no
    answer may end with "could not connect".
    """
    client.meta.events.register(f"needs-retry.{operation}", _note)


def _note(*, response: Any = None, caught_exception: Exception | None = None, **_: object) -> None:
    known = _current.get()
    if known is None:
        return
    if caught_exception is not None:
        known.may_have_taken_effect |= may_have_taken_effect(caught_exception)
    elif response is not None:
        # An answer of the 5xx kind says that the server failed, not that it did nothing.
        known.may_have_taken_effect |= response[0].status_code >= _SERVER_ERROR


def may_have_taken_effect(error: Exception) -> bool:
    """Whether the request may have reached the server. False only where no connection was made."""
    if isinstance(error, EndpointConnectionError):
        # aiobotocore raises this for a connection that breaks later, too.
        return not isinstance(error.kwargs.get("error"), ClientConnectorError)
    return not isinstance(error, _NOT_SENT)
