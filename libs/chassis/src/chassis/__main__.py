"""``python -m chassis topology apply``: create the topics, queues and subscriptions (docs/architecture.md#topology)."""

import asyncio

import typer

from chassis.core.settings import BusSettings
from chassis.messaging import provisioning
from chassis.messaging.bus import Bus
from chassis.service.startup_wait import Wait, is_bus_away, wait_for
from chassis.telemetry.logging import start_logging
from contracts.topology import build_topology

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
topology = typer.Typer(no_args_is_help=True, help="The declared topics, queues and subscriptions.")
app.add_typer(topology, name="topology")


@app.callback()
def chassis() -> None:
    """What every service shares."""


async def _apply() -> provisioning.Provisioned:
    settings = BusSettings()
    async with Bus(settings, build_topology(settings.topology_prefix)) as bus:
        return await provisioning.apply(bus)


@topology.command()
def apply(wait: Wait = 0) -> None:
    """Create or update everything; prints the queues that were missing."""
    start_logging("chassis", level="info", format="json")
    done = asyncio.run(wait_for("the bus", _apply, is_away=is_bus_away, seconds=wait))
    for name in done.created_queues:
        typer.echo(f"created {name}")


if __name__ == "__main__":
    app()
