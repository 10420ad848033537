"""What one service accepts, the next can carry."""

from delivery_service.domain.templates import MAX_SMS
from event_service.domain.templates import MAX_MESSAGE


def test_message_of_any_event_fits_into_a_text_message() -> None:
    assert MAX_MESSAGE <= MAX_SMS
