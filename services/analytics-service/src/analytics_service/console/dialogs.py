"""Questions before something is done."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from nicegui import ui

from analytics_service.console.components import button, html
from analytics_service.console.markup import joined

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
