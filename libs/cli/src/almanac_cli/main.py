"""``almanac``: the commands, and what they share."""

import typer

from almanac_cli import endpoints
from almanac_cli.connection import (
    AnalyticsUrl,
    Connection,
    DeliveryUrl,
    EventUrl,
    FirstPort,
    Key,
    Url,
    UserUrl,
)
from almanac_cli.migrate import commands as migrate
from almanac_client import Services

app = typer.Typer(
    name="almanac",
    help="Works with Almanac over its HTTP APIs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(migrate.app, name="migrate")
app.add_typer(endpoints.app, name="endpoints")


@app.callback()
def connection(
    context: typer.Context,
    url: Url = "http://127.0.0.1",
    first_port: FirstPort = 8001,
    user_url: UserUrl = None,
    event_url: EventUrl = None,
    delivery_url: DeliveryUrl = None,
    analytics_url: AnalyticsUrl = None,
    key: Key = "",
) -> None:
    """Almanac fires events at the right local moment and delivers them."""
    default = Services.on(url, first_port=first_port)
    context.obj = Connection(
        Services(
            user_url or default.users,
            event_url or default.events,
            delivery_url or default.deliveries,
            analytics_url or default.analytics,
        ),
        key,
    )
