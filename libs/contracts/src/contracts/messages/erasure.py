"""Reports that a service has erased the personal data of a deleted user."""

from uuid import UUID

from contracts.messages.spec import Item
from contracts.wire import UtcInstant


class PersonalDataErasedItem(Item):
    """Nothing personal of the user is left in the publisher's database, as of ``occurred_at`` (real time)."""

    user_id: UUID
    occurred_at: UtcInstant
