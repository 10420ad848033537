"""The scene of a flood: critical messages come while the queue of LOW is full, to a worker that works on both."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

from bench.delivery.worker import KEY, TRACEPARENT, add_endpoint, due_message, service_database
from bench.measure import Summary
from bench.postgres import Cluster
from bench.sink import Sink
from chassis.core.settings import BusSettings
from chassis.database.database import Database
from chassis.messaging import provisioning
from chassis.messaging.bus import Bus
from chassis.messaging.publisher import Outgoing, Publisher
from contracts.due import parse_due_event
from contracts.topology import build_topology
from contracts.vocabulary import EventType, Priority
from local_stack import child, ports
from local_stack.child import Command
from local_stack.emulator import Emulator
from testkit import AwsAccount

LOW_FROM = 1_000_000
PUBLISHED_AT_ONCE = 200
CRITICAL = 100
CRITICAL_BATCH = 5
CRITICAL_RATE = 50.0
"""A second."""
_RECORDED = text("SELECT count(*) FROM deliveries WHERE priority = :priority AND status = 'SUCCEEDED'")


@dataclass(frozen=True, slots=True)
class Flooded:
    """``critical``: from before a message's publication to its receipt. ``left``: messages of LOW that still waited."""

    critical: Summary
    left: int


class Worker:
    """delivery-service as it runs by default: one process for all priorities."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._port = ports.free_port()
        self._environment = {**environment, "API_PORT": str(self._port)}

    def prepare(self) -> None:
        """Nothing to do."""

    def command(self) -> Command:
        """All roles."""
        argv = [sys.executable, "-m", "delivery_service", "run"]
        return Command("delivery-service", argv, self._folder / "worker.log", self._environment)

    def ready(self) -> bool:
        """Whether it serves."""
        return ports.is_open(self._port)


async def flooded(postgres: Cluster, sink: Sink, flood: int) -> Flooded:
    """Publish this many LOW events, start a worker, and publish a hundred critical ones once LOW flows."""
    await sink.reset()
    dsn = await postgres.server.create_database("flood")
    with tempfile.TemporaryDirectory(prefix="almanac-bench-") as folder:
        async with service_database(dsn) as database, _bus(Path(folder)) as (bus, account):
            await add_endpoint(database, sink.url)
            publisher = Publisher(bus)
            for start in range(0, flood, PUBLISHED_AT_ONCE):
                indices = range(LOW_FROM + start, LOW_FROM + min(start + PUBLISHED_AT_ONCE, flood))
                await _publish(publisher, EventType.NOTIFICATION, indices, Priority.LOW)
            environment = {
                **account.environment(),
                "DATABASE_URL": dsn,
                "SECRET_KEYS": b64encode(KEY).decode(),
                "WEBHOOK_ALLOWED_NETWORKS": '["127.0.0.0/8"]',
                "WEBHOOK_ALLOWED_PORTS": "[]",
            }
            worker = await asyncio.to_thread(child.start, Worker(Path(folder), environment))
            try:
                await sink.wait_for(1, 60)
                sent = await _critical(publisher)
                await _all_recorded(database)
                left = await bus.depth(bus.topology.queue(Priority.LOW).name)
            finally:
                await asyncio.to_thread(worker.kill)
    await postgres.server.drop_database("flood")
    received = await sink.receipts()
    return Flooded(Summary.of([received[event_id] - at for event_id, at in sent.items()]), left)


@asynccontextmanager
async def _bus(folder: Path) -> AsyncIterator[tuple[Bus, AwsAccount]]:
    emulator = Emulator(ports.free_port(), log=folder / "emulator.log")
    process = await asyncio.to_thread(child.start, emulator)
    try:
        account = AwsAccount(endpoint_url=emulator.url)
        settings = BusSettings(
            aws_endpoint_url=emulator.url, aws_region=account.region, aws_account_id=account.access_key_id
        )
        async with Bus(settings, build_topology(settings.topology_prefix), session=account.session()) as bus:
            await provisioning.apply(bus)
            yield bus, account
    finally:
        await asyncio.to_thread(process.stop, 10)


async def _publish(publisher: Publisher, event_type: EventType, indices: Sequence[int], priority: Priority) -> set[str]:
    now = datetime.now(UTC)
    bodies = [due_message(index, priority, now, event_type) for index in indices]
    dues = [parse_due_event(body) for body in bodies]
    messages = [Outgoing(body, due.attributes(TRACEPARENT)) for body, due in zip(bodies, dues, strict=True)]
    topic = build_topology().topic(event_type).name
    if any(reasons := await publisher.publish(topic, messages)):
        raise RuntimeError(f"the bus refused messages: {next(filter(None, reasons))}")
    return {str(due.event_id) for due in dues}


async def _critical(publisher: Publisher) -> dict[str, float]:
    """Publish them at an even rate, a few at a time. Returns when each was about to be, by id."""
    sent: dict[str, float] = {}
    started = time.monotonic()
    for position in range(0, CRITICAL, CRITICAL_BATCH):
        await asyncio.sleep(max(0.0, started + position / CRITICAL_RATE - time.monotonic()))
        now = time.time()
        indices = range(position, position + CRITICAL_BATCH)
        published = await _publish(publisher, EventType.BIRTHDAY, indices, Priority.CRITICAL)
        sent |= dict.fromkeys(published, now)
    return sent


async def _all_recorded(database: Database) -> None:
    async with asyncio.timeout(120):
        while True:
            async with database.read() as connection:
                recorded = (await connection.execute(_RECORDED, {"priority": Priority.CRITICAL})).scalar_one()
            if recorded == CRITICAL:
                return
            await asyncio.sleep(0.1)
