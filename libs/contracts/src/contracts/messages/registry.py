"""Every published version of every message type."""

from contracts.errors import ContractError
from contracts.messages import analytics, delivery, event, user
from contracts.messages.spec import MessageSpec, MessageType

MESSAGES: tuple[MessageSpec, ...] = (
    *user.MESSAGES,
    *event.MESSAGES,
    *delivery.MESSAGES,
    *analytics.MESSAGES,
)
"""Oldest version first, within a type."""

_BY_VERSION = {(spec.type, spec.dataversion): spec for spec in MESSAGES}
_CURRENT = {spec.type: spec for spec in MESSAGES}


def find_spec(type: MessageType, dataversion: str | None = None) -> MessageSpec:
    """The given version of a type, or the current one, which is what is published. Raises ContractError."""
    if dataversion is None:
        return _CURRENT[type]
    try:
        return _BY_VERSION[type, dataversion]
    except KeyError:
        raise ContractError(f"unknown dataversion {dataversion!r} of {type}") from None
