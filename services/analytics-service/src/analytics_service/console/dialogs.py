"""Questions before something is done."""

from nicegui import ui

from analytics_service.console.markup import joined
from analytics_service.console.parts import button, html


async def confirm(title: str, text: str, action: str, *, danger: bool = False) -> bool:
    """Ask whether to go on. Escape, a click beside it and Cancel are no."""
    with _frame(title) as dialog, ui.element("div").classes("dialog"):
        _head(dialog, title, text)
        with ui.element("div").classes("dialog-actions"):
            button("Cancel", lambda: dialog.submit(False)).props("autofocus")
            button(action, lambda: dialog.submit(True), kind="danger" if danger else "primary")
    answer = await dialog
    dialog.delete()
    return answer is True


async def ask(title: str, text: str, label: str, action: str, *, value: str, kind: str = "text") -> str | None:
    """Ask for one value; None where the question was not answered. ``kind`` is a type of HTML's inputs."""
    with _frame(title) as dialog, ui.element("div").classes("dialog"):
        _head(dialog, title, text)
        answer = ui.input(label, value=value).props(f'type="{kind}" outlined stack-label autofocus').classes("field")
        with ui.element("div").classes("dialog-actions"):
            button("Cancel", lambda: dialog.submit(None))
            button(action, lambda: dialog.submit(answer.value), kind="primary")
    given = await dialog
    dialog.delete()
    return str(given) if given else None


def _frame(title: str) -> ui.dialog:
    dialog = ui.dialog().props("transition-duration=120")
    dialog.props["aria-label"] = title
    return dialog


def _head(dialog: ui.dialog, title: str, text: str) -> None:
    html(joined(title), name="h2")
    html(joined(text), name="p")
    dialog.open()
