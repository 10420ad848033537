"""``/v1/usage``: what this service's processes have used that costs money."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from chassis.api.auth import READ
from chassis.api.dependencies import CurrentDatabase
from chassis.api.wire import Instant
from chassis.core.errors import InvalidParameterError
from chassis.database import usage
from contracts.http.status import ServiceUsage, Used

router = APIRouter(prefix="/v1/usage", tags=["usage"], dependencies=[READ])


@router.get("")
async def get_usage(
    database: CurrentDatabase,
    start: Annotated[
        Instant | None, Query(alias="from", description="In the first hour. By default 24 hours before `to`.")
    ] = None,
    end: Annotated[
        Instant | None, Query(alias="to", description="Behind the last hour's beginning. By default now.")
    ] = None,
) -> ServiceUsage:
    """Calls to AWS by operation and resource, CPU, time and memory of processes by their roles."""
    async with database.read() as connection:
        until = end or await usage.now(connection)
        since = start or until - timedelta(days=1)
        if since >= until:
            raise InvalidParameterError("from", "must be earlier than `to`")
        found = await usage.read(connection, since, until)
    return ServiceUsage(since=since, until=until, items=tuple(Used(**asdict(each)) for each in found))
