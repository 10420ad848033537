"""Settings that cannot work are refused at the start, by name."""

import pytest
from pydantic import SecretStr, ValidationError

from event_service.settings import Settings


@pytest.mark.parametrize("message", ["Hey {name}", "Hey {", "Hey {0}", "{first_name.nickname}"])
def test_a_greeting_that_cannot_be_filled_in_is_refused(message: str) -> None:
    with pytest.raises(ValidationError, match="birthday_message"):
        Settings(database_url=SecretStr("postgresql://x"), birthday_message=message)


def test_a_grace_longer_than_the_partitions_behind_the_clock_is_refused() -> None:
    with pytest.raises(ValidationError, match="grace_hours_birthday"):
        Settings(database_url=SecretStr("postgresql://x"), grace_hours_birthday=337)
