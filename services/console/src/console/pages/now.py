"""*Now*: whether everyone's day is going well."""

from console import formats
from console.charts import activity, activity_rows
from console.components import Chart, Part, Table, Tile, panel, row
from console.page import Page, Visit
from console.views.now import due_by_priority, headline, lateness, problems, queues
from console.views.zones import band_markup
from contracts.vocabulary import Priority

_PRIORITIES = [formats.word(priority.name) for priority in Priority]


async def build(visit: Visit) -> None:
    live = visit.live
    visit.watch(live.events)
    visit.watch(live.deliveries)
    visit.watch(live.analytics)
    visit.watch(live.users)
    visit.watch(live.overview)
    visit.watch(live.minutes)
    visit.watch(live.passages)

    with row("tiles fours"):
        due, in_flight = Tile("Due"), Tile("In flight")
        delivered, success = Tile("Delivered"), Tile("Success rate")
        letters = Tile("Dead letters", address="/dead-letters")
        circuits = Tile("Circuits open", address="/endpoints")
        connections, concurrency = Tile("Connections"), Tile("Concurrency in use")
    problems_part = Part()
    with panel("Nine o’clock", "Where it is now and next, and how many events are due there at that moment."):
        band = Part()
    with row("columns"):
        with panel("Lateness", "From the target to the last delivery’s end, in five minutes."):
            late = Table(
                "Lateness by priority",
                ["Priority", "Events", "p50", "p95", "p99", "p95 target"],
                numbers=(1, 2, 3, 4, 5),
            )
        with panel("In flight", "Due events and events in flight."):
            under_way = Table(
                "Events in flight by priority",
                ["Priority", "Due", "Oldest", "Claimed", "Sent", "Delivering", "To retry"],
                numbers=(1, 2, 3, 4, 5, 6),
            )
    with panel("Delivered", "Minute by minute, over the last hour."):
        chart = Chart("Events completed and failed in each minute of the last hour", ["Minute", *_PRIORITIES, "Failed"])
    with panel("Queues", "Messages waiting on the bus, and concurrency in use."):
        waiting = Table("Queues", ["Queue", "Depth", "Oldest", "In use", "Dead"], numbers=(1, 2, 3, 4))

    def show() -> None:
        events, deliveries, overview = live.events.reading, live.deliveries.reading, live.overview.reading
        others = (live.users.reading, live.analytics.reading)
        figures = headline(events, deliveries, overview, others)
        due.show(*figures.due)
        in_flight.show(*figures.in_flight)
        delivered.show(*figures.delivered)
        success.show(*figures.success)
        letters.show(*figures.dead_letters)
        circuits.show(*figures.circuits)
        connections.show(*figures.connections)
        concurrency.show(*figures.concurrency)

        statuses = (events.value, deliveries.value, *(each.value for each in others))
        wrong = problems(deliveries.value, statuses, live.alerts.reading.value)
        problems_part.table("What is out of order", ["What", "State", "Since"], wrong)
        late.show(lateness(overview.value), error=overview.error)
        under_way.show(due_by_priority(events.value, deliveries.value), error=events.error)
        waiting.show(queues(statuses), error=events.error or deliveries.error)
        band.show_reading(live.passages.reading, band_markup)
        chart.show_reading(live.minutes.reading, activity, activity_rows)

    visit.tick(show)


PAGE = Page("/", "Now", build, icon="now")
