"""A service as its ``main`` declares it, and the command line that every service has.

``python -m <service> run [ROLE …]`` · ``migrate`` · ``replay`` · ``roles``
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import structlog
import typer
from fastapi import APIRouter, FastAPI

from chassis.api.app import create_app
from chassis.api.problems import Problems
from chassis.api.server import HttpServer
from chassis.core.gc_tuning import collect_rarely
from chassis.core.lifecycle import Role, run_roles
from chassis.core.settings import ServiceSettings
from chassis.messaging import outbox
from chassis.messaging.status import StatusReader
from chassis.service.process import LoopLag, read_settings, run_process
from chassis.service.runtime import ClockRole, Runtime, Schema, open_runtime
from chassis.service.startup_wait import Wait, is_database_away, wait_for
from chassis.service.usage import UsageRecorder
from chassis.telemetry.logging import start_logging
from contracts.messages.spec import Bus
from contracts.topology import Topic, Topology

log = structlog.get_logger(__name__)
S = TypeVar("S", bound=ServiceSettings)
R = TypeVar("R")


async def _nothing_more(_: object) -> int:
    return 0


async def _nothing_first(_: object) -> None:
    return None


def _no_state(_: object) -> Mapping[str, object]:
    return {}


@dataclass(frozen=True)
class Service(Generic[S]):
    """What differs between services.

    ``roles`` maps a role's name to what it runs; ``api`` and ``relay`` are the chassis' own and always there.
    ``problems`` says how its errors are answered over HTTP.
    ``parts`` are roles that run a part of another one: only where they are named.
    ``sites`` are roles that answer browsers: each mounts what it serves on the process's application, with
    :func:`chassis.api.sites.mount_site`, and returns what runs beside it.
    ``state`` is what the service's own routes need beyond what every service has: it goes into the application's state.
    ``prepare`` is done once the database has its schema, before any role begins.
    ``replay`` does, beyond the outbox, what a bus that has lost its queues needs, and returns how many it concerned.
    """

    name: str
    settings: type[S]
    migrations: Path
    problems: Problems
    routers: Sequence[APIRouter]
    roles: Mapping[str, Callable[[Runtime[S]], Sequence[Role]]]
    parts: Mapping[str, Callable[[Runtime[S]], Sequence[Role]]] = field(default_factory=dict)
    sites: Mapping[str, Callable[[Runtime[S], FastAPI], Sequence[Role]]] = field(default_factory=dict)
    state: Callable[[Runtime[S]], Mapping[str, object]] = _no_state
    replay: Callable[[Runtime[S]], Awaitable[int]] = _nothing_more
    prepare: Callable[[Runtime[S]], Awaitable[None]] = _nothing_first

    @property
    def role_names(self) -> list[str]:
        """What runs where nothing is named."""
        return ["api", *self.roles, *self.sites, "relay"]

    def app(self, runtime: Runtime[S], *, with_api: bool = True) -> FastAPI:
        """The HTTP application: the API, or only health and metrics."""
        return create_app(
            self.name,
            routers=self.routers if with_api else (),
            problems=self.problems,
            keys=runtime.settings.api_keys,
            readiness=runtime.readiness,
            database=runtime.database,
            clock=runtime.clock,
            outbox=runtime.outbox,
            cache=runtime.cache,
            state={"board": self._board(runtime), **self.state(runtime)} if with_api else {},
        )

    def _board(self, runtime: Runtime[S]) -> StatusReader:
        queues = [queue for queue in runtime.topology.queues if queue.owner == self.name]
        return StatusReader(runtime.database, runtime.bus, queues)

    async def run(self, settings: S, names: Sequence[str]) -> int:
        """Run the named roles, all but parts where none is named, until SIGTERM. Returns the exit status."""
        names = names or self.role_names
        async with open_runtime(settings, name=self.name) as runtime:
            schema = Schema(runtime.database, self.migrations, partial(self.prepare, runtime))
            runtime.readiness.add("database", schema.check)
            app = self.app(runtime, with_api="api" in names)
            roles: list[Role] = [LoopLag()]
            usage = UsageRecorder(runtime.database, runtime.bus.usage, process=" ".join(sorted(names)))
            work: list[Role] = [ClockRole(runtime.clock, time_lapse=settings.time_lapse), usage]
            for name in names:
                if name == "relay":
                    runtime.publishes(*self._buses(runtime.topology))
                    work.extend(runtime.relay())
                elif name in self.sites:
                    roles.extend(self.sites[name](runtime, app))
                elif name != "api":
                    work.extend((self.roles.get(name) or self.parts[name])(runtime))
            if runtime.listener.channels:
                work.append(runtime.listener)
            roles.extend(schema.when_migrated(role) for role in work)
            roles.append(
                HttpServer(
                    app,
                    host=settings.api_host,
                    port=settings.api_port,
                    grace_seconds=settings.shutdown_grace_seconds,
                )
            )
            collect_rarely()
            log.info("starting", roles=list(names))
            status = await run_roles(roles, grace_seconds=settings.shutdown_grace_seconds)
            await usage.close()
            return status

    def _buses(self, topology: Topology) -> list[Topic]:
        """Where the outbox goes."""
        return [each for each in topology.topics if isinstance(each.carries, Bus) and self.name in each.publishers]

    async def replay_all(self, settings: S) -> int:
        async with open_runtime(settings, name=self.name) as runtime:
            return await outbox.replay(runtime.database) + await self.replay(runtime)


def execute(service: Service[S], work: Callable[[Runtime[S]], Coroutine[Any, Any, R]]) -> R:
    """Do a command's ``work`` with the adapters that the service's settings name. Its return value."""
    settings = read_settings(service.name, service.settings)
    start_logging(service.name, level=settings.log_level, format=settings.log_format)

    async def run() -> R:
        async with open_runtime(settings, name=service.name) as runtime:
            return await work(runtime)

    return asyncio.run(run())


def command_line(service: Service[S]) -> typer.Typer:
    """The service's commands."""
    app = typer.Typer(help=f"Almanac {service.name}.", no_args_is_help=True, pretty_exceptions_enable=False)

    @app.command()
    def run(
        roles: Annotated[list[str] | None, typer.Argument(help="Roles to run here; all by default.")] = None,
    ) -> None:
        """Run roles until SIGTERM."""
        known = [*service.role_names, *service.parts]
        if unknown := set(roles or ()) - set(known):
            raise typer.BadParameter(f"no role {', '.join(sorted(unknown))}; there are {', '.join(known)}")
        settings = read_settings(service.name, service.settings, stay=True)
        status = run_process(service.name, settings, lambda: service.run(settings, roles or []))
        raise typer.Exit(status)

    @app.command()
    def migrate(wait: Wait = 0) -> None:
        """Bring the database to the newest schema, by LISTEN_URL where it is set."""
        from chassis.database import migrations  # here, since processes that serve need no alembic

        settings = read_settings(service.name, service.settings)
        start_logging(service.name, level=settings.log_level, format=settings.log_format)
        # Past the pooler: as a hook of an install it runs before the pooler is there, and DDL belongs to a session.
        url = settings.listen_url or settings.database_url
        upgrade = partial(migrations.upgrade, url.get_secret_value(), service.migrations)
        asyncio.run(wait_for("the database", upgrade, is_away=is_database_away, seconds=wait))
        log.info("migrated")

    @app.command()
    def replay() -> None:
        """Send again what the bus may have lost: for a bus that came back without its queues."""
        typer.echo(f"{asyncio.run(service.replay_all(read_settings(service.name, service.settings)))} to be sent again")

    @app.command()
    def roles() -> None:
        """List the roles."""
        for name in [*service.role_names, *service.parts]:
            typer.echo(name)

    return app
