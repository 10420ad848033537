"""Looking names up."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Sequence

import pytest

from delivery_service.adapters.names import MAX_LOOKUPS, Names

HANGING = """
import asyncio, threading
from delivery_service.adapters.names import Names

async def main():
    try:
        async with asyncio.timeout(0.1):
            await Names(lambda name: threading.Event().wait()).addresses("example.org")
    except TimeoutError:
        print("gave up")

asyncio.run(main())
"""


async def test_lookups_run_side_by_side_up_to_their_bound() -> None:
    gate, running, most = threading.Event(), 0, 0
    lock = threading.Lock()

    def count(name: str) -> Sequence[str]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        gate.wait()
        with lock:
            running -= 1
        return [name]

    names = Names(count)
    lookups = [asyncio.create_task(names.addresses(str(number))) for number in range(2 * MAX_LOOKUPS)]
    done, _ = await asyncio.wait(lookups, timeout=0.1)
    assert not done
    gate.set()
    assert await asyncio.gather(*lookups) == [[str(number)] for number in range(2 * MAX_LOOKUPS)]
    assert most <= MAX_LOOKUPS


async def test_a_lookup_that_was_given_up_keeps_its_place_until_it_ends() -> None:
    gate, begun = threading.Event(), threading.Semaphore(0)

    def hang(name: str) -> Sequence[str]:
        begun.release()
        return [str(gate.wait())]

    names = Names(hang)
    hanging = [asyncio.create_task(names.addresses("slow")) for _ in range(MAX_LOOKUPS)]
    for _ in range(MAX_LOOKUPS):
        assert await asyncio.to_thread(begun.acquire, timeout=10)
    for each in hanging:
        each.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)
    waiting = asyncio.create_task(names.addresses("next"))
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    assert not done
    gate.set()
    assert await waiting == ["True"]


async def test_a_name_without_an_address_is_an_error() -> None:
    def nowhere(name: str) -> Sequence[str]:
        raise OSError(name)

    with pytest.raises(OSError, match="nowhere"):
        await Names(nowhere).addresses("nowhere")


def test_a_lookup_that_hangs_does_not_keep_a_process_from_ending() -> None:
    ended = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=30, check=True)
    assert ended.stdout == "gave up\n"
