"""The composition root of the console, and its command line: ``python -m console run``."""

from contextlib import AsyncExitStack
from typing import Annotated

import structlog
import typer

from almanac_client import Almanac, Services
from chassis.api.auth import Keyring
from chassis.api.base import create_base
from chassis.api.health import Readiness
from chassis.api.server import HttpServer
from chassis.api.sites import mount_site
from chassis.core.gc_tuning import collect_rarely
from chassis.core.lifecycle import run_roles
from chassis.service.process import LoopLag, read_settings, run_process
from chassis.telemetry.outgoing import open_http
from console.settings import Settings
from console.site import Console, OpenConsole

log = structlog.get_logger(__name__)
NAME, ROLE = "console", "console"


def open_console(settings: Settings, closing: AsyncExitStack) -> OpenConsole:
    """Open the site, with connections to the four APIs that ``closing`` closes."""
    http = open_http(timeout_seconds=settings.services_timeout_seconds)
    closing.push_async_callback(http.aclose)
    addresses = Services(
        users=settings.user_service_url,
        events=settings.event_service_url,
        deliveries=settings.delivery_service_url,
        analytics=settings.analytics_service_url,
    )
    key = None if settings.services_api_key is None else settings.services_api_key.get_secret_value()
    return Console(
        Keyring(settings.api_keys),
        # A person waits for each page: one attempt, and the page says which service does not answer.
        Almanac(addresses, key, http=http, attempts=1),
        session_hours=settings.console_session_hours,
        each_per_second=settings.process_events_per_second,
    ).open()


async def serve(settings: Settings) -> int:
    """Serve the console until SIGTERM. Returns the exit status."""
    async with AsyncExitStack() as closing:
        site = open_console(settings, closing)
        app = create_base(NAME, keys=settings.api_keys, readiness=Readiness(), problems={})
        mount_site(app, site.app)
        grace = settings.shutdown_grace_seconds
        server = HttpServer(app, host=settings.api_host, port=settings.api_port, grace_seconds=grace)
        collect_rarely()
        log.info("starting", roles=[ROLE])
        return await run_roles([LoopLag(), site, server], grace_seconds=grace)


commands = typer.Typer(help="Almanac's console.", no_args_is_help=True, pretty_exceptions_enable=False)


@commands.command()
def run(roles: Annotated[list[str] | None, typer.Argument(help=f"Only {ROLE}; it is the default.")] = None) -> None:
    """Serve the console until SIGTERM."""
    if unknown := set(roles or ()) - {ROLE}:
        raise typer.BadParameter(f"no role {', '.join(sorted(unknown))}; there is only {ROLE}")
    settings = read_settings(NAME, Settings, stay=True)
    raise typer.Exit(run_process(NAME, settings, lambda: serve(settings)))


@commands.command("roles")
def list_roles() -> None:
    """List the roles."""
    typer.echo(ROLE)
