"""Questions before something is done, and the one display of a new secret."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from nicegui import ui

from console.components import button, html
from console.markup import joined, tag

NEEDED = "This is needed."


async def confirm(title: str, text: str, action: str, *, danger: bool = False) -> bool:
    """Ask whether to go on. Escape, a click beside it and Cancel are no."""
    with dialog_of(title, text) as dialog, ui.element("div").classes("dialog-actions"):
        button("Cancel", lambda: dialog.submit(False)).props("autofocus")
        button(action, lambda: dialog.submit(True), kind="danger" if danger else "primary")
    answer = await dialog
    dialog.delete()
    return answer is True


async def ask(title: str, text: str, label: str, action: str, *, value: str, kind: str = "text") -> str | None:
    """Ask for one value; None where the question was not answered. ``kind`` is a type of HTML's inputs."""
    with dialog_of(title, text) as dialog:
        answer = field(label, value=value, kind=kind).props("autofocus")
        answers(dialog, action, [answer])
    given = await dialog
    dialog.delete()
    return str(answer.value) if given else None


@contextmanager
def dialog_of(title: str, text: str, *, persistent: bool = False) -> Iterator[ui.dialog]:
    """An open dialog; what it asks is made in the body of the ``with``. A persistent one does not close by itself."""
    dialog = ui.dialog().props("persistent transition-duration=120" if persistent else "transition-duration=120")
    dialog.props["aria-label"] = title
    with dialog, ui.element("div").classes("dialog"):
        html(joined(title), name="h2")
        html(joined(text), name="p")
        yield dialog
    dialog.open()


Rule: TypeAlias = Callable[[str], str | None]
"""Returns the error of a text, None if it is valid."""


def field(label: str, *, value: str = "", kind: str = "text", rule: Rule | None = None) -> ui.input:
    """An input that must be filled in, as ``rule`` has it. ``kind`` is a type of HTML's inputs."""

    def fault(given: object) -> str | None:
        text = str(given or "").strip()
        return NEEDED if not text else rule(text) if rule else None

    made = ui.input(label, value=value, validation=fault).props(f'type="{kind}" outlined stack-label')
    return made.classes("field")


def answers(dialog: ui.dialog, action: str, fields: Sequence[ui.input]) -> None:
    """The buttons below ``fields``. The dialog gives True once nothing is wrong with any of them, None at Cancel."""

    def submit() -> None:
        # Each shows its own error.
        faults = [each for each in fields if not each.validate()]
        if not faults:
            dialog.submit(True)

    for each in fields:
        each.on("keydown.enter", submit)
    with ui.element("div").classes("dialog-actions"):
        button("Cancel", lambda: dialog.submit(None))
        button(action, submit, kind="primary")


_HOUR = 3_600
MAX_OVERLAP_HOURS = 7 * 24


async def ask_overlap() -> int | None:
    """For how many seconds the earlier secrets are to sign too; None where the question was not answered."""
    text = (
        "Webhooks are signed with the new secret at once, and also with earlier ones for this many hours (at most 168)."
    )
    hours = await ask("Rotate the secret?", text, "Hours", "Rotate", value="24", kind="number")
    if hours is None:
        return None
    return round(min(max(float(hours), 0), MAX_OVERLAP_HOURS) * _HOUR)


async def ask_contact(kind: str) -> dict[str, str] | None:
    """To whom a test e-mail or text message goes; None where the question was not answered."""
    field, label = ("email", "E-mail address") if kind == "email" else ("phone", "Phone, as +15550100")
    to = await ask("Send a test event?", "It is sent now, to this person.", label, "Send", value="")
    return None if to is None else {field: to}


async def show_secret(secret: str | None, note: str | None) -> None:
    """Show a secret until it is put away. It is not logged, and the page discards it."""
    title = "The new secret" if secret else "There is no secret to show"
    once = "It is shown this once: copy it now, to where webhooks are verified."
    text = once if secret else note or "The endpoint keeps the secret that it was given."
    with dialog_of(title, text, persistent=True) as dialog:
        if secret is not None:
            html(tag("pre", secret, class_="secret", tabindex="0"))
        with ui.element("div").classes("dialog-actions"):
            if secret is not None:
                button("Copy", lambda: ui.clipboard.write(secret))
            button("Done", lambda: dialog.submit(True), kind="primary").props("autofocus")
    await dialog
    dialog.delete()


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
