"""*Business*: what was delivered, day by day."""

import asyncio
from collections.abc import Sequence
from datetime import UTC

from almanac_client.analytics import Analytics
from console import charts
from console.components import Chart, Tile, html, panel, row
from console.data_sources import Reading
from console.formats import NONE, count, share
from console.markup import joined, link
from console.page import Page, Visit
from console.refreshing_panel import RefreshingPanel
from console.views.business import (
    END_TO_END,
    LATENCY_COLUMNS,
    OUTCOMES,
    SUCCESS_COLUMNS,
    Day,
    columns,
    days_of,
    first_day,
    latency_rows,
    rows,
    success_rows,
)

REFRESH_SECONDS = 15.0
RANGES = (7, 30, 90, 365)
DEFAULT_DAYS = 30


async def load(client: Analytics, days: int) -> Sequence[Day]:
    """The last ``days`` by the events' clock, which a simulation sets."""
    today = (await client.overview(minutes=1)).until.astimezone(UTC).date()
    start = first_day(today, days)
    counts, latency = await asyncio.gather(
        client.counts("day", *OUTCOMES, since=start, by="eventType"), client.latency("day", END_TO_END, since=start)
    )
    return days_of(counts, latency, start, days)


def wanted_days(asked: str | None) -> int:
    """How many days an address asks for; the default where it is none of the choices."""
    return next((each for each in RANGES if str(each) == asked), DEFAULT_DAYS)


async def build(visit: Visit) -> None:
    """The charts and the table behind them, refreshed every few seconds."""
    days = wanted_days(visit.query.get("days"))
    choices = (
        link(f"{each} days", f"/business?days={each}", aria_current="page" if each == days else None) for each in RANGES
    )
    html(joined(choices), name="nav").classes("choices").props('aria-label="How far back"')
    panel_data = RefreshingPanel(lambda: load(visit.almanac.analytics, days), every_seconds=REFRESH_SECONDS)
    with panel_data.body:
        with row():
            tiles = Tile("Delivered"), Tile("Success rate"), Tile("Failed"), Tile("Missed")
        with panel("Delivered by type", "A day is one of UTC.", wide=True):
            delivered = Chart("Events that ended, by day", columns())
        with panel("Success rate", "Delivered, of all that ended."):
            success = Chart("Success rate by day", SUCCESS_COLUMNS)
        with panel("Lateness", "From the target to the end of the last delivery."):
            latency = Chart("Lateness by day", LATENCY_COLUMNS)

    def show(found: Sequence[Day]) -> None:
        _show_tiles(tiles, found)
        reading = Reading(found)
        delivered.show_reading(reading, charts.delivered, rows)
        success.show_reading(reading, charts.success, success_rows)
        latency.show_reading(reading, charts.latency, latency_rows)

    await panel_data.begin(show)


def _show_tiles(tiles: tuple[Tile, Tile, Tile, Tile], days: Sequence[Day]) -> None:
    delivered, success, failed, missed = tiles
    ended_well = sum(day.total_delivered for day in days)
    lost, late = sum(day.failed for day in days), sum(day.missed for day in days)
    ended = ended_well + lost + late
    delivered.show(count(ended_well), f"in {len(days)} days")
    success.show(share(ended_well / ended) if ended else NONE, f"of {count(ended)} that ended")
    failed.show(count(lost), "given up", "bad" if lost else "plain")
    missed.show(count(late), "past their grace", "bad" if late else "plain")


PAGE = Page("/business", "Business", build, icon="business")
