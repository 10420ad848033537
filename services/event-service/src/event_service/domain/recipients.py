"""Recipients: what scheduling has to know of a user."""

from datetime import date, time
from typing import Any
from uuid import UUID

from contracts.send_window import SendWindow
from event_service.domain.record import record


@record
class Recipient:
    """A user as of a version. A deleted one keeps its id and version alone."""

    user_id: UUID
    version: int
    deleted: bool = False
    first_name: str = ""
    last_name: str = ""
    date_of_birth: date = date.min
    timezone: str = ""
    delivery_time: time = time.min
    anniversaries: tuple[dict[str, Any], ...] = ()
    tags: tuple[str, ...] = ()
    email: str | None = None
    phone: str | None = None
    external_id: str | None = None
    send_window: SendWindow | None = None
    locale: str | None = None
