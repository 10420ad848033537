"""``almanac endpoints``: where events are delivered to."""

from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from almanac_cli.connection import connect
from almanac_cli.running import console, run
from almanac_client import Almanac, Endpoint

app = typer.Typer(help="Endpoints that receive events.", no_args_is_help=True)
Id = Annotated[UUID, typer.Argument(help="The endpoint's id.")]


@app.command("list")
def list_endpoints(context: typer.Context) -> None:
    """List the endpoints, newest first."""

    async def work(almanac: Almanac) -> list[Endpoint]:
        async with almanac:
            return [each async for each in almanac.endpoints.iterate()]

    table = Table("id", "kind", "state", "url", "description")
    for each in run(work(connect(context).open())):
        state = "enabled" if each.enabled else "disabled"
        table.add_row(str(each.id), each.kind, state, each.url or "", each.description or "")
    console.print(table)


@app.command()
def create(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="Where webhooks are sent.")],
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    disabled: Annotated[bool, typer.Option("--disabled", help="Send nothing to it until it is enabled.")] = False,
) -> None:
    """Register a webhook endpoint. Prints its id, and on the next line its signing secret, which is not shown again."""

    async def work(almanac: Almanac) -> Endpoint:
        async with almanac:
            body = {"url": url, **({"description": description} if description else {}), "enabled": not disabled}
            return await almanac.endpoints.create(body)

    made = run(work(connect(context).open()))
    typer.echo(made.id)
    typer.echo(made.secret)


@app.command()
def enable(context: typer.Context, endpoint_id: Id) -> None:
    """Send events to an endpoint from now on."""
    _act(context, endpoint_id, enabled=True)


@app.command()
def disable(context: typer.Context, endpoint_id: Id) -> None:
    """Send nothing more to an endpoint."""
    _act(context, endpoint_id, enabled=False)


def _act(context: typer.Context, endpoint_id: UUID, *, enabled: bool) -> None:
    async def work(almanac: Almanac) -> Endpoint:
        async with almanac:
            return await (almanac.endpoints.enable if enabled else almanac.endpoints.disable)(endpoint_id)

    done = run(work(connect(context).open()))
    typer.echo(f"{done.id} {'enabled' if done.enabled else 'disabled'}")
