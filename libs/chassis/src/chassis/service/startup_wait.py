"""Commands that run once, perhaps before what they need is there."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import asyncpg
import structlog
import typer
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BusConnectionError
from sqlalchemy.exc import DBAPIError

from chassis.database.engine import is_outage

log = structlog.get_logger(__name__)
T = TypeVar("T")

Wait = Annotated[float, typer.Option(min=0, help="Seconds to wait for what it needs, and is not there yet.")]
"""The option ``--wait`` of such a command."""
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0


async def wait_for(
    what: str, work: Callable[[], Awaitable[T]], *, is_away: Callable[[Exception], bool], seconds: float
) -> T:
    """Do ``work``, repeatedly for this many seconds while it fails because ``what`` it needs is not available yet.

    Raises:
        Exception: what the last of them raised; the first that says something else.
    """
    deadline = time.monotonic() + seconds
    pause, said = FIRST_PAUSE_SECONDS, ""
    while True:
        try:
            return await work()
        except Exception as error:
            left = deadline - time.monotonic()
            if left <= 0 or not is_away(error):
                raise
            if repr(error) != said:
                said = repr(error)
                log.warning("waiting", what=what, reason=said, seconds_left=round(left))
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def is_database_away(error: Exception) -> bool:
    """Also where the server is there and has not made the database yet."""
    cause = error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig is not None else error
    return is_outage(error) or isinstance(cause, asyncpg.InvalidCatalogNameError)


def is_bus_away(error: Exception) -> bool:
    """If the address does not answer, or cannot serve yet; not where we are refused."""
    if isinstance(error, ClientError):
        status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500
    return isinstance(error, (BusConnectionError, HTTPClientError, OSError, TimeoutError))
