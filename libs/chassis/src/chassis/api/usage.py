"""``/v1/usage``: what this service's processes have used that costs money."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from chassis.api.auth import READ
from chassis.api.dependencies import CurrentDatabase
from chassis.api.wire import Instant, WireModel
from chassis.core.errors import InvalidParameterError
from chassis.core.usage import Meter
from chassis.database import usage

router = APIRouter(prefix="/v1/usage", tags=["usage"], dependencies=[READ])


class UsedBody(WireModel):
    """What was used of one thing by all processes."""

    meter: Meter
    operation: str = Field(description="Of a call to AWS; empty for what a process uses.")
    resource: str = Field(description="The queue or topic, where a call has one; the process's roles.")
    amount: float
    first_at: datetime = Field(description="When what is counted began.")
    last_at: datetime = Field(description="When something was last added.")


class UsageBody(WireModel):
    """Added to once a minute by every process. Hours are of real time, and whole."""

    since: datetime
    until: datetime
    items: list[UsedBody]


@router.get("")
async def get_usage(
    database: CurrentDatabase,
    start: Annotated[
        Instant | None, Query(alias="from", description="In the first hour. By default 24 hours before `to`.")
    ] = None,
    end: Annotated[
        Instant | None, Query(alias="to", description="Behind the last hour's beginning. By default now.")
    ] = None,
) -> UsageBody:
    """Calls to AWS by operation and resource, CPU, time and memory of processes by their roles."""
    async with database.read() as connection:
        until = end or await usage.now(connection)
        since = start or until - timedelta(days=1)
        if since >= until:
            raise InvalidParameterError("from", "must be earlier than `to`")
        found = await usage.read(connection, since, until)
    return UsageBody(
        since=since, until=until, items=[UsedBody.model_validate(each, from_attributes=True) for each in found]
    )
