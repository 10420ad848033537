from typing import Any
from urllib.parse import parse_qsl

import pytest
from bench.bus.__main__ import phases, running
from bench.bus.calls import CHEAPEST, WAYS, Way, encode_form
from bench.bus.route import PRIORITIES, batches

from local_stack.emulator import Emulator


def test_a_form_encoded_once_reads_back_as_it_was() -> None:
    form = {"Action": "PublishBatch", "Message": '{"a b":"1+1=2 & 100% ñ 🎂; #/?:@\n\\""}', "empty": "x"}
    params: dict[str, Any] = {"body": form}
    encode_form(params)
    assert dict(parse_qsl(params["body"].decode("ascii"), strict_parsing=True)) == form


def test_messages_take_the_priorities_in_turn_in_batches_of_ten() -> None:
    made = batches(25)
    assert [len(batch) for batch in made] == [10, 10, 5]
    attributes = [entry["MessageAttributes"]["priority"] for batch in made for entry in batch]
    assert [attribute.get("StringValue") for attribute in attributes[:5]] == [*PRIORITIES, PRIORITIES[0]]


@pytest.mark.parametrize("way", [WAYS[0], CHEAPEST, WAYS[-1]], ids=lambda way: way.name)
async def test_whatever_the_way_to_call_all_messages_come_through(way: Way) -> None:
    async with running(Emulator) as (endpoint, pid), phases(endpoint, pid, way) as bench:
        cost = await bench.through(100, waiting=50, in_flight=2, receivers=1)
    assert cost.messages == 100
