"""N users in, N scheduled events out: `python -m bench.imports --n 100000`.

One streamed request to user-service's imports; done when event-service has as many recipients and as many waiting
events. The last line gives the seconds from the first byte to the last event, and the users a second.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.launch import launch
from bench.measure import CpuMeter, machine, peak_rss, report
from bench.pipeline.observation import PipelineError, aws_calls, read
from bench.pipeline.report import show_profile
from bench.pipeline.run import SERVICES, profile_file, say, settings
from bench.pipeline.stacks import sampled
from chassis.database.clock import ClockMap
from local_stack.api import Almanac
from local_stack.stack import Stack

DATA = Path(".almanac/bench-imports")
# The clock stands still, at no hour of any greeting: nothing becomes due while users come in.
NOW = datetime(2027, 3, 1, 9, 17, 23, tzinfo=UTC)
ZONES = (
    "America/New_York", "America/Los_Angeles", "America/Sao_Paulo", "Europe/London", "Europe/Berlin", "Africa/Cairo",
    "Asia/Kolkata", "Asia/Kathmandu", "Asia/Tokyo", "Australia/Sydney", "Pacific/Auckland", "UTC",
)  # fmt: skip
PART = 500
# A look counts every event, so that it must be rare where there are many.
LOOKS_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What a run took. Seconds are from the first byte of the request; `scheduled` is when the last event waited."""

    users: int
    imported: float
    scheduled: float
    cpu: Mapping[str, float]
    calls: Mapping[str, Counter[str]]
    peak_mib: Mapping[str, float]


async def generate(users: int) -> AsyncIterator[bytes]:
    """`users` lines of NDJSON, the same in every run."""
    chance, first = random.Random(users), date(1930, 1, 1)
    for start in range(0, users, PART):
        yield "".join(
            f'{{"firstName":"Ada","lastName":"Lovelace {number}","dateOfBirth":'
            f'"{first + timedelta(days=chance.randrange(30_000))}","timezone":"{chance.choice(ZONES)}",'
            f'"email":"ada.{number}@example.org","tags":["imported"]}}\n'
            for number in range(start, min(start + PART, users))
        ).encode()


async def run_import(users: int, profile: str | None = None, data: Path = DATA) -> ImportResult:
    """Bring everything up on fresh data, import `users` users, wait until all are scheduled, and take it down.

    `profile` names a service to sample into `profile_file`. Raises PipelineError if users are refused or lost, or it
    takes too long; StartupError if the stack does not come up.
    """

    async def freeze(stack: Stack) -> None:
        await stack.set_clocks(ClockMap(datetime.now(UTC), NOW, speed=0))

    async def work(stack: Stack, almanac: Almanac) -> ImportResult:
        sampling: AbstractAsyncContextManager[None] = nullcontext()
        if profile is not None:
            sampling = sampled(stack.supervisor.pid(profile), profile_file(profile, data))
        async with sampling:
            return await _measure(users, stack, almanac)

    return await Stack(settings(), data / "stack", say).run(work, before_services=freeze, fresh=True)


async def _measure(users: int, stack: Stack, almanac: Almanac) -> ImportResult:
    urls = {service.name: service.url for service in stack.services}
    pids = {name: stack.supervisor.pid(name) for name in (*SERVICES, "postgresql", "emulator")}
    called = {name: await aws_calls(almanac.client, urls[name]) for name in SERVICES}
    cpu, own, began = CpuMeter(pids), time.process_time(), time.monotonic()
    await import_users(users, almanac)
    imported = time.monotonic() - began
    say(f"{users} users imported in {imported:.1f} s")
    await until_scheduled(users, f"{urls['event-service']}/v1/events/summary", almanac)
    scheduled = time.monotonic() - began
    spent = cpu.spent() | {"load": time.process_time() - own}
    calls = {name: await aws_calls(almanac.client, urls[name]) - called[name] for name in SERVICES}
    peaks = {name: peak_rss(pids[name]) / 2**20 for name in SERVICES}
    return ImportResult(users, imported, scheduled, spent, calls, peaks)


async def import_users(users: int, almanac: Almanac) -> None:
    """`users` users by one request; PipelineError if any is refused."""
    headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": f"{users} users"}
    answer = await almanac.client.post(
        f"{almanac.user_url}/v1/imports", content=generate(users), headers=headers, timeout=None
    )
    answer.raise_for_status()
    job: dict[str, Any] = answer.json()
    if (job["status"], job["created"]) != ("completed", users):
        raise PipelineError(f"of {users} users {job['created']} were created and {job['refused']} refused: {job}")


async def until_scheduled(users: int, url: str, almanac: Almanac) -> None:
    """Wait until that many users wait for their one event; `url` is event-service's summary. Raises PipelineError."""
    # Far more than the slowest machine needs, so only what hangs meets it.
    deadline = time.monotonic() + 60 + 0.02 * users
    while True:
        began = time.monotonic()
        summary = await read(almanac.client, url)
        ended = time.monotonic()
        if summary["recipients"] == users and summary["pending"] == users:
            return
        if ended > deadline:
            raise PipelineError(f"{users} users were imported, and event-service has {summary}")
        await asyncio.sleep(max(0.1, (ended - began) / LOOKS_SHARE))


def show(result: ImportResult) -> None:
    """Print what a run took."""
    users = result.users
    report(
        f"import: {users} users",
        ("until", "s", "a second"),
        [
            ("users and their announcements are stored", result.imported, users / result.imported),
            ("events are scheduled", result.scheduled, users / result.scheduled),
        ],
    )
    ours = sum(result.cpu[name] for name in SERVICES)
    report(
        f"CPU in {result.scheduled:.1f} s, and memory",
        ("process", "CPU s", "CPU us/user", "cores", "peak MiB"),
        (
            (name, cpu, 1e6 * cpu / users, cpu / result.scheduled, result.peak_mib.get(name, ""))
            for name, cpu in [*result.cpu.items(), ("the four services", ours)]
        ),
    )
    total: Counter[str] = sum(result.calls.values(), Counter())
    report(
        "AWS calls",
        ("service", *total, "a thousand users"),
        (
            (name, *(calls[each] for each in total), 1000 * calls.total() / users)
            for name, calls in [*result.calls.items(), ("together", total)]
        ),
    )


async def main(users: int, profile: str | None) -> None:
    """Run, and print."""
    print(machine())
    result = await run_import(users, profile)
    show(result)
    if profile is not None:
        show_profile(profile, profile_file(profile, DATA))
    print(f"import: {result.scheduled:.1f} s for {users} users, {users / result.scheduled:.0f} users/s")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--n", type=int, default=100_000, help="users (default: 100000)")
    arguments.add_argument("--profile", choices=SERVICES, help="sample this service with py-spy")
    parsed = arguments.parse_args()
    launch(main(parsed.n, parsed.profile))
