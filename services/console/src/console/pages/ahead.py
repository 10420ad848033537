"""*Ahead*: the week to come, and what the fleet can do."""

from console import formats
from console.charts import week_ahead
from console.components import Chart, Table, Tile, panel, row
from console.page import Page, Visit
from console.views.ahead import busiest_rows, day_rows, outlook
from console.views.capacity import COLUMNS, bound_rows, capacity
from contracts.http.events import Forecast
from contracts.vocabulary import Priority

_PRIORITIES = [formats.word(priority.name) for priority in Priority]


async def build(visit: Visit) -> None:
    live = visit.live
    visit.watch(live.week)
    visit.watch(live.deliveries)
    visit.watch(live.day)
    visit.watch(live.pace)
    visit.watch(live.processes)

    with row():
        day, week, peak = Tile("Next 24 hours"), Tile("Next 7 days"), Tile("Busiest hour")
        ceiling = Tile("Fleet’s ceiling", hint="The least of what bounds it")
        fastest = Tile("Fastest so far")
    with panel("By hour", "Everything that is scheduled for the coming week, in hours of UTC."):
        chart = Chart("Events due in each hour of the coming week", ["Day", "Events", *_PRIORITIES], tall=True)
    with row("columns"):
        with panel("The busiest hours", "And how long the fleet needs for them at its ceiling."):
            busiest = Table(
                "The busiest hours of the week", ["Hour", "Events", *_PRIORITIES, "Takes"], numbers=(1, 2, 3, 4, 5, 6)
            )
        with panel("What bounds the fleet", "The ceiling is the least of it, and not less than what was seen."):
            bounds = Table("What bounds the fleet", COLUMNS, numbers=(2,))

    def show() -> None:
        able = capacity(
            live.deliveries.reading.value,
            live.day.reading.value,
            live.pace.reading.value,
            live.processes.reading.value,
            live.each_per_second,
        )
        bounds.show(bound_rows(able))
        reading = live.week.reading
        if reading.value is not None:
            figures = outlook(reading.value, able)
            day.show(*figures.day)
            week.show(*figures.week)
            peak.show(*figures.peak)
            ceiling.show(*figures.ceiling)
            fastest.show(*figures.fastest)
            busiest.show(busiest_rows(reading.value, able))
        elif reading.error:
            for tile in (day, week, peak, ceiling, fastest):
                tile.show(formats.NONE, reading.error, "watch")
            busiest.show((), error=reading.error)

        def options(forecast: Forecast) -> dict[str, object]:
            return week_ahead(forecast, able)

        chart.show_reading(reading, options, day_rows)

    visit.tick(show, 2.0)


PAGE = Page("/ahead", "Ahead", build, icon="ahead")
