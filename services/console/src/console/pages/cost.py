"""*Cost*: what the last day would have cost on AWS."""

from console.components import Table, Tile, away, html, panel, row
from console.markup import joined
from console.page import Page, Visit
from console.refreshing_panel import RefreshingPanel
from console.views.cost import (
    CATEGORIES,
    LINES,
    SAVINGS,
    category_rows,
    comparison,
    line_rows,
    observed,
    saving_rows,
)
from contracts.http.analytics import Costs

REFRESH_SECONDS = 30.0
_TILES = ("In 24 hours", "A month", "An event", "The bus, an event")


async def build(visit: Visit) -> None:
    """The costs, refreshed every half minute."""
    panel_data = RefreshingPanel(visit.almanac.analytics.costs, every_seconds=REFRESH_SECONDS)
    with panel_data.body:
        missing = html()
        with row():
            tiles = [Tile(name) for name in _TILES]
        note = html(name="p").classes("note")
        with panel("By category, beside the reference architecture"):
            categories = Table("Costs by category", CATEGORIES, numbers=(1, 2))
        with panel("What could be saved"):
            savings = Table("Savings", SAVINGS, numbers=(1, 2))
        with panel("By line", wide=True):
            lines = Table("Costs by line", LINES, numbers=(2, 3, 4))

    def show(costs: Costs) -> None:
        told = (away(f"Without {each.service}: {each.reason}.") for each in costs.missing)
        missing.set_content(str(joined(told)))
        for tile, (_, value, beside) in zip(tiles, comparison(costs), strict=True):
            tile.show(value, beside)
        note.set_content(str(joined(observed(costs))))
        categories.show(category_rows(costs))
        savings.show(saving_rows(costs), empty="No saving is known.")
        lines.show(line_rows(costs.lines), empty="Nothing was used yet.")

    await panel_data.begin(show)


PAGE = Page("/cost", "Cost", build, icon="cost")
