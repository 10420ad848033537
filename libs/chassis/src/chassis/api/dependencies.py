"""What a route may ask for. ``main`` put it into the application's state."""

from typing import Annotated

from fastapi import Depends, Header, Request

from chassis.core.lifecycle import Stopping
from chassis.database.clock import Clock
from chassis.database.database import Database
from chassis.database.read_cache import ReadCache
from chassis.database.read_routing import Reads
from chassis.messaging.outbox import Outbox


async def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


async def _clock(request: Request) -> Clock:
    clock: Clock = request.app.state.clock
    return clock


async def _outbox(request: Request) -> Outbox:
    outbox: Outbox = request.app.state.outbox
    return outbox


async def _cache(request: Request) -> ReadCache:
    cache: ReadCache = request.app.state.cache
    return cache


async def _stopping(request: Request) -> Stopping:
    stopping: Stopping = request.app.state.stopping
    return stopping


CurrentDatabase = Annotated[Database, Depends(_database)]
CurrentClock = Annotated[Clock, Depends(_clock)]
CurrentOutbox = Annotated[Outbox, Depends(_outbox)]
CurrentCache = Annotated[ReadCache, Depends(_cache)]
CurrentStopping = Annotated[Stopping, Depends(_stopping)]
"""For requests that take long: whether the process stops."""


async def _reads(
    database: CurrentDatabase,
    cache_control: Annotated[
        str | None,
        Header(
            max_length=200,
            description="`no-cache`: the answer shows all that was written before. Without it, it may be a second old.",
        ),
    ] = None,
) -> Reads:
    directives = {each.strip().lower() for each in (cache_control or "").split(",")}
    return Reads(database, fresh=not directives.isdisjoint(("no-cache", "no-store", "max-age=0")))


CurrentReads = Annotated[Reads, Depends(_reads)]
