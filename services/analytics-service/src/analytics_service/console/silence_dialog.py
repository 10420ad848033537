"""The dialog before an alert is silenced."""

from dataclasses import dataclass

from analytics_service.console.dialogs import answers, dialog_of, field

MAX_HOURS = 14 * 24


@dataclass(frozen=True)
class Silenced:
    """For how long, and why."""

    hours: float
    reason: str


async def ask_silence(rule: str) -> Silenced | None:
    """None where the question was not answered."""
    text = "Suppresses its notifications for this time. It is still evaluated and listed."
    with dialog_of(f"Silence {rule}?", text) as dialog:
        hours = field("Hours", value="4", kind="number", rule=wrong_hours)
        hours.props(f'min="0" max="{MAX_HOURS}" step="any"')
        reason = field("Reason").props("autofocus")
        answers(dialog, "Silence", [hours, reason])
    given = await dialog
    dialog.delete()
    return Silenced(float(hours.value), str(reason.value).strip()) if given else None


def wrong_hours(text: str) -> str | None:
    """The error of a number of hours."""
    try:
        fits = 0 < float(text) <= MAX_HOURS
    except ValueError:
        fits = False
    return None if fits else f"More than none, and at most {MAX_HOURS}."
