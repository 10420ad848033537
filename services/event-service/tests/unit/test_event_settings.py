"""Settings that cannot work are refused at the start, by name."""

from datetime import time

import pytest
from pydantic import SecretStr, ValidationError

from contracts.send_window import SendWindow, Span
from contracts.vocabulary import EventType
from event_service.roles import firing_rules, rulebook
from event_service.settings import Settings


@pytest.mark.parametrize("message", ["Hey {name}", "Hey {", "Hey {0}", "{first_name.nickname}"])
def test_a_greeting_that_cannot_be_filled_in_is_refused(message: str) -> None:
    with pytest.raises(ValidationError, match="birthday_message"):
        Settings(database_url=SecretStr("postgresql://x"), birthday_message=message)


def test_a_grace_longer_than_the_partitions_behind_the_clock_is_refused() -> None:
    with pytest.raises(ValidationError, match="grace_hours_birthday"):
        Settings(database_url=SecretStr("postgresql://x"), grace_hours_birthday=337)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [({}, 7_200), ({"retry_horizon_seconds": 600}, 4_200), ({"outcome_timeout_seconds": 60}, 60)],
    ids=["by default", "after another retry horizon", "as set"],
)
def test_an_outcome_is_awaited_an_hour_longer_than_the_retry_horizon(given: dict[str, float], seconds: float) -> None:
    settings = Settings.model_validate({"database_url": "postgresql://x", **given})
    assert firing_rules(settings).outcome_seconds == seconds


def test_window_and_translations_of_a_type_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://x")
    monkeypatch.setenv("SEND_WINDOW_REMINDER", '[{"days": ["SU", "MO"], "from": "22:00", "until": "06:30"}]')
    monkeypatch.setenv("SEND_WINDOW_BIRTHDAY", "")
    monkeypatch.setenv("EXPIRY_HOURS_REMINDER", "")
    monkeypatch.setenv("REMINDER_MESSAGES", '{"de": "Hallo {first_name}: {label}"}')
    rules = rulebook(Settings())
    reminder = rules[EventType.REMINDER]
    assert reminder.window == SendWindow((Span(frozenset({6, 0}), time(22), time(6, 30)),))
    assert reminder.messages == {"de": "Hallo {first_name}: {label}"}
    assert reminder.expiry is None
    assert [rules[type].window for type in EventType if type is not EventType.REMINDER] == [None] * 3


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("SEND_WINDOW_REMINDER", '[{"days": ["MO"], "from": "8", "until": "20:00"}]', "must be a local time as HH:MM"),
        ("SEND_WINDOW_REMINDER", "[]", "at least 1 item"),
        ("SEND_WINDOW_REMINDER", "08:00-20:00", "valid list"),
        ("REMINDER_MESSAGES", '{"xx": "Hi"}', "is not a language that CLDR knows"),
        ("REMINDER_MESSAGES", "Hi", "valid dictionary"),
    ],
)
def test_an_impossible_window_or_translation_is_refused_by_its_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, fault: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://x")
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=fault) as caught:
        Settings()
    assert {each["loc"][0] for each in caught.value.errors()} == {name.lower()}
