"""*Endpoints*: how each does, at a glance."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from almanac_client import AlmanacError
from almanac_client.deliveries import Endpoints
from console.components import Table, html, panel
from console.formats import NONE, count, duration, moment, share, word
from console.markup import Content, badge, joined, link, tag
from console.page import Page, Visit
from console.refreshing_panel import RefreshingPanel
from contracts.http.deliveries import Endpoint, EndpointStats

REFRESH_SECONDS = 5.0
ROWS = 25
"""How many endpoints a page shows."""
_COLUMNS = ("Endpoint", "State", "Circuit", "Delivered", "Waiting", "Failed", "p95", "Last error")
_NUMBERS = (3, 4, 5, 6)


@dataclass(frozen=True)
class Row:
    """An endpoint with its health; None where delivery-service did not say."""

    endpoint: Endpoint
    health: EndpointStats | None


@dataclass(frozen=True)
class Rows:
    """One page of them, and where the next begins."""

    rows: Sequence[Row]
    next_cursor: str | None


async def load(client: Endpoints, cursor: str | None) -> Rows:
    """A page of endpoints, with the health of all asked for at once."""
    page = await client.page(cursor=cursor, limit=ROWS)

    async def health(endpoint: Endpoint) -> EndpointStats | None:
        try:
            return await client.stats(endpoint.id)
        except AlmanacError:
            return None  # deleted meanwhile, or too slow: the list is useful without it, and shows a dash

    found = await asyncio.gather(*(health(each) for each in page.items))
    return Rows([Row(*each) for each in zip(page.items, found, strict=True)], page.next_cursor)


def state_badge(endpoint: Endpoint) -> Content:
    if endpoint.enabled and endpoint.unreadable:
        return badge("Unreadable", "bad")
    return badge("Enabled", "good") if endpoint.enabled else badge("Disabled", "bad")


def circuit_badge(health: EndpointStats | None) -> Content:
    if health is None:
        return NONE
    tone = {"CLOSED": "good", "OPEN": "bad", "HALF_OPEN": "watch"}.get(health.circuit.state, "plain")
    return badge(word(health.circuit.state), tone)


def cells(row: Row) -> Sequence[Content]:
    """The endpoint as a row of the table."""
    endpoint, health = row.endpoint, row.health
    name = joined(link(endpoint.name, f"/endpoints/{endpoint.id}"), tag("span", endpoint.kind, class_="note"))
    if health is None:
        return [name, state_badge(endpoint), NONE, NONE, NONE, NONE, NONE, NONE]
    return [
        name,
        state_badge(endpoint),
        circuit_badge(health),
        share(health.success_rate),
        count(health.pending),
        count(health.failed),
        NONE if health.latency is None else duration(health.latency.p95),
        _last_error(health),
    ]


def _last_error(health: EndpointStats) -> str:
    error = health.last_error
    if error is None:
        return NONE
    what = f"HTTP {error.http_status}" if error.http_status is not None else word(error.error or error.status)
    return f"{what}, {moment(error.started_at)}"


async def build(visit: Visit) -> None:
    """The list, refreshed every few seconds."""
    with panel("Where events go", "Over the newest 1,000 deliveries of each, of the last 24 hours.", wide=True):
        panel_data = RefreshingPanel(
            lambda: load(visit.almanac.endpoints, visit.query.get("cursor") or None), every_seconds=REFRESH_SECONDS
        )
        with panel_data.body:
            table = Table("Endpoints and how they do", _COLUMNS, numbers=_NUMBERS)
            more = html()

    def show(rows: Rows) -> None:
        table.show([cells(row) for row in rows.rows], empty="There is no endpoint: create one with POST /v1/endpoints.")
        address = f"/endpoints?{urlencode({'cursor': rows.next_cursor})}"
        more.set_content(str(link("Older ones", address, class_="more")) if rows.next_cursor else "")

    await panel_data.begin(show)


PAGE = Page("/endpoints", "Endpoints", build, icon="endpoints")
