"""What is asked before an alert is silenced."""

from dataclasses import dataclass

from nicegui import ui

from analytics_service.console.markup import joined
from analytics_service.console.parts import button, html

MAX_HOURS = 14 * 24
_FIELD = "outlined stack-label"


@dataclass(frozen=True)
class Silenced:
    """For how long, and why."""

    hours: float
    reason: str


async def ask_silence(rule: str) -> Silenced | None:
    """None where the question was not answered, or not with both."""
    title = f"Silence {rule}?"
    dialog = ui.dialog().props(f'transition-duration=120 aria-label="{title}"')
    with dialog, ui.element("div").classes("dialog"):
        html(joined(title), name="h2")
        html(joined("Nobody is told of it for so long. It is watched and listed all the same."), name="p")
        hours = ui.input("Hours", value="4").props(f'{_FIELD} type="number" min="1" max="{MAX_HOURS}"').classes("field")
        reason = ui.input("Reason").props(f"{_FIELD} autofocus").classes("field")
        with ui.element("div").classes("dialog-actions"):
            button("Cancel", lambda: dialog.submit(False))
            button("Silence", lambda: dialog.submit(True), kind="primary")
    dialog.open()
    wanted = await dialog
    given = Silenced(_hours(hours.value), str(reason.value or "").strip())
    dialog.delete()
    return given if wanted and given.reason else None


def _hours(value: object) -> float:
    try:
        return min(max(float(str(value)), 1 / 60), MAX_HOURS)
    except ValueError:
        return 1.0
