import json
from pathlib import Path

from bench.imports import PART, generate, run_import
from bench.pipeline.run import SERVICES


async def test_the_users_of_a_run_are_many_different_ones_and_those_of_the_next_run() -> None:
    body, again = [b"".join([part async for part in generate(PART + 7)]) for _ in range(2)]
    assert body == again
    users = [json.loads(line) for line in body.splitlines()]
    assert len({user["email"] for user in users}) == PART + 7
    assert len({user["dateOfBirth"] for user in users}) > PART // 2


async def test_a_few_users_become_as_many_scheduled_events(tmp_path: Path) -> None:
    result = await run_import(120, data=tmp_path)
    assert result.users == 120
    assert 0 < result.imported <= result.scheduled
    assert set(SERVICES) < result.cpu.keys()
    assert result.calls["user-service"]["PublishBatch"] >= 1
