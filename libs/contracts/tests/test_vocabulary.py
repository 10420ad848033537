import pytest
from pydantic import TypeAdapter, ValidationError

from contracts import EventType, Priority, raise_priority


@pytest.mark.parametrize(
    ("event_type", "floor", "important_floor"),
    [
        (EventType.BIRTHDAY, Priority.CRITICAL, Priority.CRITICAL),
        (EventType.ANNIVERSARY, Priority.HIGH, Priority.CRITICAL),
        (EventType.REMINDER, Priority.NORMAL, Priority.HIGH),
        (EventType.NOTIFICATION, Priority.LOW, Priority.LOW),
    ],
)
@pytest.mark.parametrize("requested", [None, *Priority])
def test_a_request_can_raise_a_priority_and_never_lower_it(
    event_type: EventType, floor: Priority, important_floor: Priority, requested: Priority | None
) -> None:
    for important, lowest in ((False, floor), (True, important_floor)):
        priority = raise_priority(event_type, requested, important=important)
        assert isinstance(priority, Priority)
        assert priority == (lowest if requested is None or requested > lowest else requested)


def test_a_priority_is_its_name_on_the_wire_and_its_number_in_databases() -> None:
    adapter = TypeAdapter(dict[str, Priority])
    assert adapter.dump_json({"p": Priority.LOW}) == b'{"p":"LOW"}'
    assert adapter.validate_json('{"p": "LOW"}') == {"p": Priority.LOW}
    assert [int(priority) for priority in Priority] == [0, 1, 2, 3]


@pytest.mark.parametrize("body", ["0", '"low"', '"URGENT"', "null", "[]"])
def test_a_priority_that_is_not_a_name_is_refused(body: str) -> None:
    with pytest.raises(ValidationError, match="CRITICAL, HIGH, NORMAL, LOW"):
        TypeAdapter(Priority).validate_json(body)
