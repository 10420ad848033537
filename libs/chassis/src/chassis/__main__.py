"""``python -m chassis topology apply``: create the topics, queues and subscriptions of design §2."""

import asyncio

import typer

from chassis import provisioning
from chassis.messaging.bus import Bus
from chassis.settings import BusSettings
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
def apply() -> None:
    """Create or update everything; prints the queues that were missing."""
    for name in asyncio.run(_apply()).created_queues:
        typer.echo(f"created {name}")


if __name__ == "__main__":
    app()
