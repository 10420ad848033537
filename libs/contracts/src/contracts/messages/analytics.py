"""Published by analytics-service."""

from contracts.messages.erasure import PersonalDataErasedItem
from contracts.messages.spec import MessageSpec, MessageType
from contracts.vocabulary import Service

MESSAGES = (
    MessageSpec(
        MessageType.ANALYTICS_DATA_ERASED,
        Service.ANALYTICS,
        PersonalDataErasedItem,
        "analytics-service has erased a deleted user.",
    ),
)
