"""Asking other services for their part of an answer, which is given without it where they do not tell."""

from collections.abc import Awaitable
from typing import TypeVar

from almanac_client import AlmanacError, ApiError
from analytics_service.domain.records import Missing

T = TypeVar("T")


async def ask(service: str, question: Awaitable[T], missing: list[Missing]) -> T | None:
    """The answer; or None, and the service is among the ``missing``."""
    try:
        return await question
    except AlmanacError as error:
        missing.append(Missing(service, reason(error)))
        return None


def reason(error: AlmanacError) -> str:
    """Return why a service did not answer, in a sentence."""
    if isinstance(error, ApiError) and error.status in (401, 403):
        return f"{error.service} refused the key of this service"
    return error.sentence()
