import os

from bench.broadcast import run_broadcast

from local_stack.postgres import PostgresServer


async def test_broadcast_reaches_all_users_and_cancels_all_its_events(postgres: PostgresServer) -> None:
    result = await run_broadcast(300, postgres, {"worker": os.getpid()})
    assert result.recipients == 300
    assert result.scheduled > 0
    assert result.cancelled > 0
    assert result.rate == result.recipients / result.scheduled
    assert set(result.cpu) == {"worker"}
