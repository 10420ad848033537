import json
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import (
    MAX_ITEM_BYTES,
    MAX_ITEMS,
    MAX_MESSAGE_BYTES,
    ContractError,
    MessageType,
    UserDeletedItem,
    encode_envelope,
    encode_item,
    pack_items,
    parse_message,
)
from contracts.messages.delivery import DeadLetteredItem
from contracts.messages.envelope import ENVELOPE_BYTES

NOW = datetime(2026, 11, 23, 14, 0, 0, 250_000, tzinfo=UTC)
TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"


def deleted(version: int) -> UserDeletedItem:
    return UserDeletedItem(item_id=uuid4(), user_id=uuid4(), version=version)


def text_of(size: int, *, wide: bool) -> str:
    """JSON text of that many bytes."""
    return f'"{"é" * ((size - 2) // 2)}"' if wide else f'"{"e" * (size - 2)}"'


def envelope(items: list[str], *, longest: bool = False) -> str:
    name = max(MessageType, key=lambda type: len(type.value)) if longest else MessageType.USER_DELETED
    state = "\x7f" * 512 if longest else None
    return encode_envelope(name, items, uuid4(), NOW, TRACEPARENT, state)


@given(
    st.lists(
        st.tuples(
            st.one_of(st.integers(2, 300), st.integers(2, MAX_ITEM_BYTES // 2).map(lambda half: half * 2)),
            st.booleans(),
        ),
        max_size=20,
    ),
    st.integers(1, 30),
)
def test_packing_keeps_order_and_both_limits_and_wastes_no_message(sizes: list[tuple[int, bool]], times: int) -> None:
    items = [text_of(size, wide=wide) for size, wide in sizes] * times
    messages = [items[part] for part in pack_items(items)]
    assert [item for message in messages for item in message] == items
    for message in messages:
        assert 1 <= len(message) <= MAX_ITEMS
        assert len(envelope(message, longest=True).encode()) <= MAX_MESSAGE_BYTES
    for message, following in pairwise(messages):
        together = [*message, following[0]]
        assert len(together) > MAX_ITEMS or len(",".join(together).encode()) > MAX_ITEM_BYTES


def test_bytes_and_text_are_packed_alike() -> None:
    texts = [text_of(size, wide=True) for size in (90_000, 120_000, 4, 100_000)]
    expected = [slice(0, 1), slice(1, 3), slice(3, 4)]
    assert list(pack_items(texts)) == list(pack_items([text.encode() for text in texts])) == expected


def test_message_header_fits_into_its_reserved_size() -> None:
    assert len(envelope(["1"], longest=True)) - 1 <= ENVELOPE_BYTES


def test_an_item_that_fits_no_message_is_refused_when_it_is_encoded_and_when_it_is_packed() -> None:
    item = DeadLetteredItem(
        item_id=uuid4(),
        dead_letter_id=uuid4(),
        reason="poison",
        detail="é" * (MAX_ITEM_BYTES // 2),
        event_id=None,
        user_id=None,
        event_type=None,
        priority=None,
        endpoint_id=None,
        attempts=0,
        occurred_at=NOW,
    )
    with pytest.raises(ContractError, match="fit a message"):
        encode_item(item)
    with pytest.raises(ContractError, match=r"^item 1 has"):
        list(pack_items(["1", item.model_dump_json()]))


def test_a_packed_message_is_what_a_consumer_parses() -> None:
    items = [deleted(version) for version in range(1, 151)]
    rows: list[str | bytes] = [encode_item(item) for item in items]
    rows[3] = encode_item(items[3]).encode()
    message_id = uuid4()
    first, second = (
        parse_message(encode_envelope(MessageType.USER_DELETED, rows[part], message_id, NOW, TRACEPARENT, "k=v"))
        for part in pack_items(rows)
    )
    assert [*first.items, *second.items] == items
    assert (first.id, first.time, first.traceparent, first.tracestate) == (message_id, NOW, TRACEPARENT, "k=v")


def test_an_envelope_writes_its_time_in_utc_and_leaves_empty_trace_fields_out() -> None:
    local = NOW.astimezone(timezone(timedelta(hours=-5)))
    message = json.loads(encode_envelope(MessageType.USER_DELETED, ["{}"], UUID(int=0), local, "", "k=v"))
    assert message == {
        "specversion": "1.0",
        "id": str(UUID(int=0)),
        "source": "user-service",
        "type": "UserDeleted",
        "time": "2026-11-23T14:00:00.250000Z",
        "dataversion": "1.0",
        "data": {"items": [{}]},
    }


def test_a_tracestate_longer_than_everyone_carries_stays_behind() -> None:
    message = json.loads(encode_envelope(MessageType.USER_DELETED, ["{}"], uuid4(), NOW, TRACEPARENT, "k=" + "v" * 511))
    assert message["traceparent"] == TRACEPARENT
    assert "tracestate" not in message


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([], "0 items"),
        (["{}"] * 101, "101 items"),
        ([text_of(MAX_MESSAGE_BYTES, wide=False)], "a message of"),
    ],
)
def test_an_envelope_refuses_what_breaks_a_limit(items: list[str], reason: str) -> None:
    with pytest.raises(ContractError, match=f"^{reason}"):
        envelope(items)


def test_an_envelope_refuses_a_version_that_was_never_published() -> None:
    with pytest.raises(ContractError, match="unknown dataversion"):
        encode_envelope(MessageType.USER_DELETED, ["{}"], uuid4(), NOW, dataversion="9.0")
