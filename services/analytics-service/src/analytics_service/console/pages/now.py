"""*Now*: whether everyone's day is going well."""

from analytics_service.console import formats
from analytics_service.console.page import Page, Visit
from analytics_service.console.parts import Table, Tile, panel, row
from analytics_service.console.views.now import headline, lateness


async def build(visit: Visit) -> None:
    live = visit.live
    visit.watch(live.overview)
    visit.watch(live.summary)
    with row():
        delivered = Tile("Delivered")
        waiting = Tile("Waiting")
        in_flight = Tile("In flight")
        success = Tile("Success rate")
    with panel("Lateness", "From the target to the end of the last delivery, over the last five minutes."):
        late = Table(
            "Lateness by priority", ["Priority", "Events", "p50", "p95", "p99", "Target"], numbers=(1, 2, 3, 4, 5)
        )

    def show() -> None:
        overview, summary = live.overview.reading, live.summary.reading
        figures = headline(overview, summary)
        delivered.show(*figures.delivered)
        waiting.show(*figures.waiting)
        in_flight.show(*figures.in_flight)
        success.show(*figures.success)
        late.show(lateness(overview.value), empty=overview.error or formats.NONE)

    visit.tick(show)


PAGE = Page("/", "Now", build, icon="now")
