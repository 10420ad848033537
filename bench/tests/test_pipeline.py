import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from bench.measure import Summary, peak_rss
from bench.pipeline.observation import PipelineError, parse_aws_calls, until
from bench.pipeline.run import SERVICES, PipelineResult, check, run_pipeline, settings
from bench.pipeline.stacks import Profile, sampled
from bench.sink import Sink, SinkStats

EXPOSITION = """\
# HELP almanac_aws_calls_total Calls to AWS, by operation: what the bus costs
# TYPE almanac_aws_calls_total counter
almanac_aws_calls_total{operation="PublishBatch",otel_scope_name="almanac.bus"} 7.0
almanac_aws_calls_total{operation="ReceiveMessage",otel_scope_name="almanac.bus",queue="a"} 2.0
almanac_aws_calls_total{operation="ReceiveMessage",otel_scope_name="almanac.bus",queue="b"} 3.0
# TYPE almanac_queue_received_total counter
almanac_queue_received_total{queue="a"} 20.0
"""


SPIN = """
import sys, time
def spin():
    until = time.process_time() + 0.3
    while time.process_time() < until: pass
for _ in sys.stdin:
    spin()
    print("spun", flush=True)
"""


@asynccontextmanager
async def spinner() -> AsyncIterator[tuple[int, Callable[[], Awaitable[None]]]]:
    """A process that spins for a while on command."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SPIN, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    told, answers = process.stdin, process.stdout

    async def spin() -> None:
        told.write(b"spin\n")
        await answers.readline()

    try:
        await spin()
        yield process.pid, spin
    finally:
        process.kill()
        await process.wait()


def stats(received: int, unique: int) -> SinkStats:
    return SinkStats(received, unique, 0.0, 1.0)


def test_every_event_once_is_as_it_should_be() -> None:
    check(3, stats(received=3, unique=3))


@pytest.mark.parametrize(("received", "unique"), [(2, 2), (4, 3), (4, 4), (3, 2)])
def test_a_webhook_too_few_or_too_many_fails_the_run(received: int, unique: int) -> None:
    with pytest.raises(PipelineError, match=f"{unique} different webhooks and {received - unique} repeated"):
        check(3, stats(received, unique))


def test_the_rate_is_that_of_the_last_thing_to_be_done() -> None:
    result = PipelineResult(
        events=100, lateness=Summary(100, 1, 2, 3, 4), delivered=4.0, completed=5.0, counted=8.0,
        cpu={}, calls={}, peak_mib={}, latencies=[],
    )  # fmt: skip
    assert (result.seconds, result.events_per_second) == (8.0, 12.5)


def test_calls_to_aws_are_counted_by_operation_over_all_queues() -> None:
    assert parse_aws_calls(EXPOSITION) == Counter(PublishBatch=7, ReceiveMessage=5)


def test_a_service_that_has_called_nothing_yet_has_no_calls() -> None:
    assert parse_aws_calls("") == Counter()


async def test_looking_ends_once_all_counts_are_as_wanted() -> None:
    counts = iter([{"pending": 5, "processing": 0}, {"pending": 4, "processing": 1}, {"pending": 5, "processing": 1}])

    async def look() -> dict[str, int]:
        return next(counts)

    await until(look, {"pending": 5, "processing": 1}, timeout=10)
    assert list(counts) == []


async def test_observation_timeout_is_an_error_with_the_actual_state() -> None:
    async def look() -> dict[str, int]:
        return {"pending": 4, "failed": 1}

    with pytest.raises(PipelineError, match=r"\{'pending': 5\} and saw \{'pending': 4\}"):
        await until(look, {"pending": 5}, timeout=0)


def test_a_function_owns_the_samples_at_the_end_of_a_stack_and_shares_in_those_below_it() -> None:
    profile = Profile.of(
        ["main (a.py:1);work (a.py:5) 6", "main (a.py:2);work (a.py:9);sum (b.py:1) 3", "main (a.py:2) 1"]
    )
    assert profile.samples == 10
    assert profile.by_own(2) == [("work (a.py)", 60.0, 90.0), ("sum (b.py)", 30.0, 30.0)]


def test_what_every_sample_goes_through_is_left_out_of_the_order_by_total() -> None:
    profile = Profile.of(["main (a.py:1);work (a.py:5) 6", "main (a.py:2);play (a.py:9) 4"])
    assert profile.by_total(5) == [("work (a.py)", 60.0, 60.0), ("play (a.py)", 40.0, 40.0)]


def test_a_function_that_calls_itself_counts_once_in_a_sample() -> None:
    assert Profile.of(["walk (a.py:1);walk (a.py:2);walk (a.py:2) 4"]).total == Counter({"walk (a.py)": 4})


async def test_a_sampled_process_leaves_its_stacks_in_a_file(tmp_path: Path) -> None:
    folded = tmp_path / "profiles" / "busy.folded"
    async with spinner() as (pid, spin), sampled(pid, folded):
        await spin()
    assert Profile.of(folded.read_text().splitlines()).own["spin (<string>)"] > 0


async def test_sampling_a_process_that_is_not_there_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="Check that the process is running"):
        async with sampled(2**22, tmp_path / "nobody.folded"):
            pass


def test_memory_peak_is_at_least_the_memory_in_use() -> None:
    assert peak_rss(os.getpid()) > 2**20


def test_each_part_of_the_stack_gets_a_port_of_its_own() -> None:
    assert len({use.port for use in settings().port_uses()}) == len(settings().port_uses())


async def test_a_few_events_pass_through_everything(tmp_path: Path) -> None:
    async with Sink() as sink:
        result = await run_pipeline(20, sink, data=tmp_path)
    assert result.lateness.count == 20
    assert 0 < result.delivered <= result.seconds
    assert result.calls["event-service"]["PublishBatch"] >= 2
    assert set(SERVICES) < result.cpu.keys()
