"""Dialogs before actions on an endpoint, and the one display of a new secret."""

from nicegui import ui

from analytics_service.console.components import button, html
from analytics_service.console.dialogs import ask, dialog_of
from analytics_service.console.markup import tag

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
