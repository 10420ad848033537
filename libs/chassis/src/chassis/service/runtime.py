"""What a process of a service holds while it runs; ``main`` composes roles from it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import structlog
from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation
from pydantic import SecretStr
from sqlalchemy import QueuePool, TextClause

from chassis.api.health import Readiness
from chassis.core.lifecycle import Loop, Role, first_of, pause
from chassis.core.settings import ServiceSettings
from chassis.database import idempotency, inbox, revisions, usage
from chassis.database.clock import DatabaseClock, TimeLapseRefusedError
from chassis.database.database import Database
from chassis.database.leases import Lease
from chassis.database.notifications import Listener
from chassis.database.read_cache import ReadCache
from chassis.messaging import dead_letters, erasures, outbox
from chassis.messaging.backlog import Backlog
from chassis.messaging.bus import Bus
from chassis.messaging.consumer import BATCH_BYTES, Handler, QueueConsumer, Rejection
from chassis.messaging.dead_letter_redrive import DeadLetterRedrive
from chassis.messaging.dlq_redrive import DlqDrain
from chassis.messaging.outbox import Outbox, Relay
from chassis.messaging.provisioning import Presence
from chassis.messaging.publisher import Publisher
from chassis.messaging.queue_progress import ProgressRecorder
from contracts.messages.parsing import check_message
from contracts.topology import Queue, Topic, Topology, build_topology

log = structlog.get_logger(__name__)
S = TypeVar("S", bound=ServiceSettings)

CLOCK_SECONDS = 30.0
MAPPED_CLOCK_SECONDS = 0.2
SWEEP_SECONDS = 60.0
REDRIVE_SECONDS = 5.0


@dataclass(frozen=True)
class Runtime(Generic[S]):
    """Settings and adapters of one process."""

    settings: S
    database: Database
    clock: DatabaseClock
    topology: Topology
    bus: Bus
    publisher: Publisher
    outbox: Outbox
    cache: ReadCache
    listener: Listener
    closing: AsyncExitStack
    """What a service opens beyond these and wants closed with them."""
    readiness: Readiness = field(default_factory=Readiness)

    def consume(
        self,
        queue: Queue,
        handler: Handler,
        *,
        check: Callable[[str], object] = check_message,
        gate: Callable[[], Awaitable[None]] | None = None,
        receivers: int = 1,
        handlers: int = 2,
        max_batch: int = 50,
        max_batch_bytes: int = BATCH_BYTES,
        reject: Callable[[Sequence[Rejection]], Awaitable[None]] | None = None,
    ) -> list[Role]:
        """The roles that work on ``queue``, measure its depth, and drain its DLQ.

        ``check`` raises ContractError for a body that never can be applied. ``reject`` keeps what cannot be; without
        one it goes into the chassis' own table of dead letters.
        """
        self.readiness.add(queue.name, Presence(self.bus, queue).check)
        keep = reject or dead_letters.keeper(self.database, queue.name)
        consumer = QueueConsumer(
            self.bus,
            queue,
            handler,
            reject=keep,
            gate=gate or self.database.wait_available,
            receivers=receivers,
            handlers=handlers,
            max_batch=max_batch,
            max_batch_bytes=max_batch_bytes,
        )
        drain = DlqDrain(self.bus, queue, check=check, reject=keep, every_seconds=self.settings.dlq_drain_seconds)
        redrive = DeadLetterRedrive(self.database, self.bus, queue, every_seconds=REDRIVE_SECONDS)
        marks = ProgressRecorder(self.database, queue.name, lambda: consumer.reached)
        backlog = Backlog(self.bus, queue, lambda: consumer.reached)
        return [
            consumer,
            Loop(f"drain:{queue.name}", drain.step),
            Loop(f"redrive:{queue.name}", redrive.step),
            Loop(f"marks:{queue.name}", marks.step),
            Loop(f"backlog:{queue.name}", backlog.step),
        ]

    def publishes(self, *topics: Topic) -> None:
        """Have the process unready while one of the topics is not there."""
        for topic in topics:
            self.readiness.add(topic.name, Presence(self.bus, topic).check)

    def relay(self) -> list[Role]:
        """The roles that send the outbox and delete rows past their retention."""
        return [_RelayRole(self), Loop("sweep", Sweep(self.database, self.settings).step)]


class Sweep:
    """Deletes sent outbox rows, old inbox ids, idempotency keys and usage; one process at a time."""

    def __init__(self, database: Database, settings: ServiceSettings) -> None:
        self._database = database
        self._lease = Lease(database, "sweep", seconds=SWEEP_SECONDS * 3)
        self._statements: Sequence[tuple[TextClause, dict[str, float]]] = (
            (outbox.SWEEP, {"seconds": settings.outbox_retention_hours * 3600}),
            (inbox.SWEEP, {"seconds": settings.inbox_retention_days * 86_400}),
            (idempotency.SWEEP, {}),
            (usage.SWEEP, {"days": settings.usage_retention_days}),
            (erasures.SWEEP, {"days": erasures.RETENTION_DAYS}),
            (dead_letters.SWEEP, {"days": settings.message_dead_letter_retention_days}),
        )

    async def step(self) -> float:
        if await self._lease.held():
            for statement, values in self._statements:
                async with self._database.transaction() as tx:
                    await tx.execute(statement, values)
        return SWEEP_SECONDS


class _RelayRole:
    name = "relay"

    def __init__(self, runtime: Runtime[S]) -> None:
        self._relay = Relay(
            runtime.database,
            runtime.publisher,
            runtime.topology,
            runtime.clock,
            poll_seconds=runtime.settings.outbox_poll_seconds,
        )
        self._loop = Loop(self.name, self._relay.step, wake=runtime.outbox.appended)

    async def run(self, stopping: asyncio.Event) -> None:
        await self._loop.run(stopping)
        await self._relay.stop()


class ClockRole:
    """Measures the database's clock again and again. A clock that is mapped where it must not be ends the process."""

    name = "clock"

    def __init__(self, clock: DatabaseClock, *, time_lapse: bool) -> None:
        self._clock = clock
        self._every = MAPPED_CLOCK_SECONDS if time_lapse else CLOCK_SECONDS

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            delay = self._every
            try:
                await self._clock.refresh()
            except TimeLapseRefusedError:
                raise
            except Exception as error:  # the old offset stays good for a while
                log.warning("clock not measured", error=repr(error))
                delay = 1.0
            await pause(stopping, delay)


class Schema:
    """Whether the database has the schema that this code needs. Roles wait for it: a fresh pod may be there first."""

    def __init__(self, database: Database, scripts: Path, prepare: Callable[[], Awaitable[None]] | None = None) -> None:
        """``prepare`` is done once the schema is there, and before any role begins."""
        self._database = database
        self._scripts = scripts
        self._prepare = prepare
        self._current = False

    async def check(self) -> str | None:
        """None where the database answers and is migrated, else one line that says what is missing."""
        if self._current:
            await self._database.ping()
            return None
        missing = await revisions.pending(self._database, self._scripts)
        if missing is None and self._prepare is not None:
            await self._prepare()
        self._current = missing is None
        return missing

    def when_migrated(self, role: Role) -> Role:
        return _WhenMigrated(self, role)


class _WhenMigrated:
    def __init__(self, schema: Schema, role: Role) -> None:
        self.name = role.name
        self._schema = schema
        self._role = role

    async def run(self, stopping: asyncio.Event) -> None:
        said: str | None = None
        while not stopping.is_set():
            asked = asyncio.ensure_future(self._schema.check())
            try:
                # While no connection can be made, some wait for the pool's timeout: a stop must not wait for that too.
                await first_of(stopping.wait(), asked)
                if asked.cancelled():
                    return
                missing = asked.result()
            except Exception as error:  # an unreachable database is waited for like one without a schema
                missing = repr(error)
            if missing is None:
                await self._role.run(stopping)
                return
            if missing != said:
                log.warning("waiting for the database", role=self.name, reason=missing)
                said = missing
            await pause(stopping, 1.0)


@asynccontextmanager
async def open_runtime(settings: S, *, name: str) -> AsyncIterator[Runtime[S]]:
    """Open the adapters that every role uses. Nothing connects yet, so a dependency may be down."""
    topology = build_topology(settings.topology_prefix)
    database = Database(
        settings.database_url.get_secret_value(),
        pool_size=settings.database_pool_size,
        pooler=settings.database_pooler,
        application_name=name,
        replica_url=_reveal(settings.database_replica_url),
        replica_pool_size=settings.database_replica_pool_size,
        replica_max_lag_seconds=settings.database_replica_max_lag_seconds,
    )
    listen_url = _reveal(settings.listen_url) or (None if settings.database_pooler else database.url)
    cache = ReadCache(_reveal(settings.cache_url), prefix=name)
    _observe(database)
    try:
        async with Bus(settings, topology) as bus, AsyncExitStack() as closing:
            yield Runtime(
                settings=settings,
                database=database,
                clock=DatabaseClock(database, time_lapse=settings.time_lapse),
                topology=topology,
                bus=bus,
                publisher=Publisher(bus),
                outbox=Outbox(backlog_limit=settings.outbox_backlog_limit),
                cache=cache,
                listener=Listener(listen_url, application_name=name),
                closing=closing,
            )
    finally:
        await cache.close()
        await database.close()


def _reveal(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def _observe(database: Database) -> None:
    pool, replica = database.engine.pool, database.replica

    def available(_: CallbackOptions) -> Iterable[Observation]:
        yield Observation(int(database.available))

    def connections(_: CallbackOptions) -> Iterable[Observation]:
        if isinstance(pool, QueuePool):
            yield Observation(pool.checkedout(), {"state": "used"})
            yield Observation(pool.checkedin(), {"state": "idle"})

    def lag(_: CallbackOptions) -> Iterable[Observation]:
        if replica is not None and replica.lag_seconds is not None:
            yield Observation(replica.lag_seconds)

    meter = metrics.get_meter("almanac.database")
    meter.create_observable_gauge(
        "almanac_database_available", [available], description="1 while the database answers this process, else 0"
    )
    meter.create_observable_gauge(
        "almanac_database_connections", [connections], description="Connections of this process, by state"
    )
    meter.create_observable_gauge(
        "almanac_replication_lag", [lag], unit="s", description="Age of what the replica shows, 0 where it is current"
    )
