"""Counting what people are sent, as AWS bills it."""

import pytest

from chassis.core.usage import Meter, Usage
from chassis.messaging.message_costs import EMAIL, SMS, count_messages, text_parts


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        # The euro takes two places.
        ("€" * 80, 1),
        ("€" * 80 + "a", 2),
        ("ł" * 70, 1),
        ("ł" * 71, 2),
        # A character beyond the basic plane is two units.
        ("🎂" * 35, 1),
        ("🎂" * 36, 2),
    ],
)
def test_a_text_is_as_many_parts_as_its_alphabet_has_room_for(text: str, parts: int) -> None:
    assert text_parts(text) == parts


def test_email_counts_once_per_recipient_and_topic_messages_do_not() -> None:
    usage = Usage()
    count_messages(
        usage, "send_email", {"Destination": {"ToAddresses": ["a@b.org", "c@d.org"], "BccAddresses": ["e@f.org"]}}
    )
    count_messages(usage, "publish", {"PhoneNumber": "+15550100", "Message": "x" * 200})
    count_messages(usage, "publish", {"TopicArn": "arn:aws:sns:us-east-1:0:bday-domain-events", "Message": "x"})
    assert usage.take() == {(Meter.AWS_MESSAGES, *EMAIL): 3, (Meter.AWS_MESSAGES, *SMS): 2}
