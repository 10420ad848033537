"""Where Almanac is, and with which key: options of every command, or the environment."""

from dataclasses import dataclass
from typing import Annotated

import typer

from almanac_client import Almanac, Services


@dataclass(frozen=True, slots=True)
class Connection:
    """What the global options said."""

    services: Services
    key: str

    def open(self) -> Almanac:
        if not self.key:
            raise typer.BadParameter("give an API key by --key or ALMANAC_KEY")
        return Almanac(self.services, self.key)


Url = Annotated[str, typer.Option(envvar="ALMANAC_URL", help="Where all four APIs are, on consecutive ports.")]
FirstPort = Annotated[int, typer.Option(envvar="ALMANAC_FIRST_PORT", help="The port of user-service.")]
UserUrl = Annotated[str | None, typer.Option(envvar="ALMANAC_USER_URL", help="user-service, where it is elsewhere.")]
EventUrl = Annotated[str | None, typer.Option(envvar="ALMANAC_EVENT_URL", help="event-service, likewise.")]
DeliveryUrl = Annotated[str | None, typer.Option(envvar="ALMANAC_DELIVERY_URL", help="delivery-service, likewise.")]
AnalyticsUrl = Annotated[str | None, typer.Option(envvar="ALMANAC_ANALYTICS_URL", help="analytics-service, likewise.")]
Key = Annotated[str, typer.Option(envvar="ALMANAC_KEY", help="An API key with the scopes read and write.")]


def connect(context: typer.Context) -> Connection:
    """The connection that the global options named."""
    found = context.find_object(Connection)
    if found is None:
        raise typer.BadParameter("no connection")
    return found
