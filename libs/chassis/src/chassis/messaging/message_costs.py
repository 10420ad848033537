"""Messages to people through AWS, counted as they are billed: e-mails by receivers, text messages by parts."""

from collections.abc import Mapping
from typing import Any

from chassis.core.usage import Meter, Usage

EMAIL = "SendEmail", "e-mail"
SMS = "Publish", "sms"
"""Under which operation and resource their numbers are kept."""

_PLAIN = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The alphabet of GSM 03.38, in which a part has most room."""
_ESCAPED = frozenset("\f^{}\\[~]|€")
"""What takes two places in it."""


def count_messages(usage: Usage, operation: str, parameters: Mapping[str, Any]) -> None:
    """Count what AWS has taken. ``operation`` is a method of SES's (v2) or SNS's client."""
    if operation == "send_email":
        receivers = sum(len(addresses) for addresses in parameters["Destination"].values())
        usage.add(Meter.AWS_MESSAGES, *EMAIL, receivers)
    elif operation == "publish" and "PhoneNumber" in parameters:
        usage.add(Meter.AWS_MESSAGES, *SMS, text_parts(parameters["Message"]))


def text_parts(text: str) -> int:
    """How many text messages ``text`` is sent as. Parts of a longer one have less room, for what joins them again."""
    if _PLAIN.union(_ESCAPED).issuperset(text):
        length, alone, joined = len(text) + sum(text.count(each) for each in _ESCAPED), 160, 153
    else:
        length, alone, joined = len(text.encode("utf-16-be")) // 2, 70, 67
    return 1 if length <= alone else -(-length // joined)
