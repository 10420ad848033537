"""Asking other services for their part of an answer, which is given without it where they do not tell."""

from collections.abc import Awaitable
from typing import TypeVar

from analytics_service.domain.errors import ServiceClientError
from analytics_service.domain.records import Missing

T = TypeVar("T")


async def ask(service: str, question: Awaitable[T], missing: list[Missing]) -> T | None:
    """The answer; or None, and the service is among the ``missing``."""
    try:
        return await question
    except ServiceClientError as error:
        missing.append(Missing(service, str(error)))
        return None
