"""The whole system on one machine: brought up in order, healed while it runs, taken down in reverse."""

import asyncio
import fcntl
import shutil
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import TypeVar

from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from almanac_client import Services
from chassis.database import migrations
from chassis.database.clock import ClockMap, write_clock_map
from chassis.database.database import Database
from local_stack import ports
from local_stack.api import Almanac, open_almanac
from local_stack.child import StartupError
from local_stack.cloudformation import create_stack
from local_stack.emulator import SERVICES, Emulator
from local_stack.inbox.process import InboxProcess
from local_stack.postgres import PostgresServer
from local_stack.processes import Supervisor, end_orphans
from local_stack.services import (
    Service,
    ServiceProcess,
    bus_environment,
    kept_secret_key,
    run_once,
    service_environment,
    services,
)
from local_stack.settings import StackSettings

T = TypeVar("T")
_ENDPOINT = "The inbox on this machine"
_LOCK = "lock"


class StackRunningError(RuntimeError):
    """Another stack runs on the same data."""


class Stack:
    """PostgreSQL, SNS/SQS, the four services and the inbox, with all their files in `data_dir`."""

    def __init__(self, settings: StackSettings, data_dir: Path, say: Callable[[str], None]) -> None:
        self.settings = settings
        self.data_dir = data_dir.resolve()
        self.services = services(settings)
        self._logs = self.data_dir / "logs"
        self.postgres = PostgresServer(
            self.data_dir / "postgres", settings.postgres_port, log=self._logs / "postgresql.log"
        )
        emulated = (*SERVICES, "cloudformation") if settings.bus_template else SERVICES
        self.emulator = Emulator(
            settings.emulator_port, self.data_dir / "emulator", self._logs / "emulator.log", emulated
        )
        self.inbox = InboxProcess(settings.inbox_port, self.data_dir / "received.ndjson", self._logs / "inbox.log")
        self.supervisor = Supervisor(
            self.data_dir / "processes.json", say, grace_seconds=settings.shutdown_grace_seconds + 5
        )
        self.say = say

    async def run(
        self,
        work: Callable[["Stack", Almanac], Awaitable[T]],
        before_services: Callable[["Stack"], Awaitable[None]] | None = None,
        fresh: bool = False,
    ) -> T:
        """Bring everything up, do `work`, and stop everything, also when cancelled.

        `before_services` runs when the databases are migrated and no service runs yet; `fresh` begins with no data.
        Raises StartupError, BusyPortError or StackRunningError if it does not come up.
        """
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with _locked(self.data_dir / _LOCK):
            if orphans := await asyncio.to_thread(end_orphans, self.data_dir / "processes.json"):
                self.say(f"ended {orphans} processes that an earlier run had left")
            ports.require_free(self.settings.port_uses())
            if fresh:
                _wipe(self.data_dir)
            try:
                await self._start(before_services)
                async with self._api() as almanac:
                    await self._connect_inbox(almanac)
                    return await self._supervised(work(self, almanac))
            finally:
                self.say("stopping")
                await self.supervisor.stop()

    async def set_clocks(self, clock_map: ClockMap) -> None:
        """Map the clock of every service alike. The databases must be migrated."""
        for service in self.services:
            database = Database(self.postgres.url(service.database), pool_size=1)
            try:
                async with database.transaction() as tx:
                    await write_clock_map(tx, clock_map)
            finally:
                await database.close()

    async def _start(self, before_services: Callable[["Stack"], Awaitable[None]] | None) -> None:
        self.say("starting PostgreSQL and SNS/SQS")
        await self.supervisor.start(self.postgres)
        await self.supervisor.start(self.emulator, after_restart=self._heal_bus)
        existing = await self.postgres.databases()
        for service in self.services:
            if service.database not in existing:
                await self.postgres.create_database(service.database)
        self.say("migrating four databases, creating topics and queues")
        await asyncio.gather(self._apply_topology(), self._migrate())
        if existing & {service.database for service in self.services} and not self.emulator.kept_its_state:
            self.say("the queues were lost: what the outboxes kept will be published again")
            await self._for_each_service("replay")
        if before_services is not None:
            await before_services(self)
        self.say("starting the inbox and the four services")
        await self.supervisor.start(self.inbox)
        await self.supervisor.start(
            *(
                ServiceProcess(
                    service,
                    self._environment(service),
                    self._logs / f"{service.name}.log",
                )
                for service in self.services
            )
        )

    async def _supervised(self, work: Awaitable[T]) -> T:
        """Await `work` while dead children are restarted; an error of the supervisor ends it."""
        watching = asyncio.ensure_future(self.supervisor.watch())
        working = asyncio.ensure_future(work)
        try:
            await asyncio.wait({watching, working}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
            return await working
        finally:
            watching.cancel()
            working.cancel()
            await asyncio.gather(watching, working, return_exceptions=True)

    async def _heal_bus(self) -> None:
        """After a death of the emulator: its queues, and into them what the outboxes kept."""
        await self._apply_topology()
        if not self.emulator.kept_its_state:
            await self._for_each_service("replay")

    async def _migrate(self) -> None:
        """Bring the databases to their newest schemas, one after the other: four processes of their own take longer."""
        for service in self.services:
            try:
                await migrations.upgrade(self.postgres.url(service.database), service.migrations)
            except (DBAPIError, CommandError) as error:
                raise StartupError(f"the database of {service.name} could not be migrated: {error}") from error

    async def _apply_topology(self) -> None:
        if (template := self.settings.bus_template) is not None:
            if not self.emulator.kept_its_state:
                await create_stack(bus_environment(self.emulator), "almanac-bus", template)
            return
        log = self._logs / "topology.log"
        await run_once("topology", ["chassis", "topology", "apply"], bus_environment(self.emulator), log)

    async def _for_each_service(self, command: str) -> None:
        await asyncio.gather(
            *(
                run_once(
                    f"{service.name} {command}",
                    [service.module, command],
                    self._environment(service),
                    self._logs / f"{service.name}-{command}.log",
                )
                for service in self.services
            )
        )

    def _environment(self, service: Service) -> dict[str, str]:
        key = kept_secret_key(self.data_dir / "secret-key")
        return service_environment(service, self.settings, self.postgres, self.emulator, key)

    def _api(self) -> AbstractAsyncContextManager[Almanac]:
        return open_almanac(self.settings.api_key, Services(*(service.url for service in self.services)))

    async def _connect_inbox(self, almanac: Almanac) -> None:
        """Register the inbox as an endpoint, once. An endpoint whose secret or address is lost is replaced."""
        ours = [each async for each in almanac.endpoints.iterate() if each.description == _ENDPOINT]
        if self.inbox.has_secret and any(each.url == self.inbox.hook_url for each in ours):
            return
        for each in ours:
            await almanac.endpoints.delete(each.id)
        made = await almanac.endpoints.create({"url": self.inbox.hook_url, "description": _ENDPOINT})
        self.inbox.keep_secret(made.secret or "")


def _wipe(data_dir: Path) -> None:
    for each in data_dir.iterdir():
        if each.is_dir():
            shutil.rmtree(each)
        elif each.name != _LOCK:
            each.unlink()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackRunningError(f"another stack is running on the data in {path.parent}: stop it first") from None
        yield
