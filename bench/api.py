"""User-service's API under an even load: `python -m bench.api --rate 200 --seconds 30`.

A realistic mix of requests arrives at random (Poisson), independent of responses, through the whole stack, in
real time. The last line gives the 95th percentile of all, in ms from when a request was due to the end of its answer.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yarl import URL

from bench.imports import ZONES, import_users, until_scheduled
from bench.launch import launch
from bench.load import Answered, Call, send
from bench.measure import CpuMeter, Summary, machine, report
from bench.pipeline.observation import PipelineError, read, until
from bench.pipeline.report import show_profile
from bench.pipeline.run import SERVICES, profile_file, say, settings
from bench.pipeline.stacks import sampled
from bench.postgres import vacuum
from local_stack.api import Almanac
from local_stack.stack import Stack

DATA = Path(".almanac/bench-api")
USERS = 10_000
PAGE = 200
# Connections are made, statements prepared and memory is warm before anything counts.
WARM_SHARE = 0.1
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class ApiResult:
    """What a run took. Latencies in seconds by kind of request; CPU seconds by process while they counted.

    `faults`: the answers that were not as they should be.
    """

    latency: Mapping[str, Summary]
    all: Summary
    seconds: float
    cpu: Mapping[str, float]
    faults: Sequence[str]


class Mix:
    """Calls as product teams make them: most read a user, some change or create one, some show a list."""

    def __init__(self, url: str, users: Sequence[Mapping[str, Any]], chance: random.Random) -> None:
        self._users_url = URL(f"{url}/v1/users")
        self._users = users
        self._chance = chance
        # Each at most once, so that its version is known and no two changes meet.
        self._to_change = iter(chance.sample(users, len(users)))
        self._created = 0
        self._makers: dict[Callable[[float], Call], int] = {
            self._read: 50, self._find: 15, self._change: 15, self._create: 10, self._list: 10,
        }  # fmt: skip

    def arrivals(self, seconds: float, rate: float) -> Iterator[Call]:
        """`rate` calls a second for this many seconds, at random. ValueError where there are too few users for that."""
        at = 0.0
        while (at := at + self._chance.expovariate(rate)) < seconds:
            [make] = self._chance.choices(list(self._makers), list(self._makers.values()))
            yield make(at)

    def _read(self, at: float) -> Call:
        user = self._chance.choice(self._users)
        return Call(at, "read by id", "GET", self._users_url / user["id"], 200, user["email"])

    def _find(self, at: float) -> Call:
        user = self._chance.choice(self._users)
        return Call(at, "find by email", "GET", self._users_url % {"email": user["email"]}, 200, user["id"])

    def _list(self, at: float) -> Call:
        user = self._chance.choice(self._users)
        filters: list[dict[str, str]] = [
            {}, {"timezone": user["timezone"]}, {"tag": "imported"}, {"birthday": user["dateOfBirth"][5:]},
        ]  # fmt: skip
        return Call(at, "list", "GET", self._users_url % self._chance.choice(filters), 200, '"items":[{')

    def _create(self, at: float) -> Call:
        self._created += 1
        email = f"grace.{self._created}@example.org"
        user = {
            "firstName": "Grace", "lastName": "Hopper", "dateOfBirth": "1906-12-09", "email": email, "tags": ["new"],
            "timezone": self._chance.choice(ZONES), "anniversaries": [{"label": "First day", "date": "2020-02-29"}],
        }  # fmt: skip
        headers = JSON | {"Idempotency-Key": email}
        return Call(at, "create", "POST", self._users_url, 201, email, json.dumps(user).encode(), headers)

    def _change(self, at: float) -> Call:
        user = next(self._to_change, None)
        if user is None:
            raise ValueError(f"{len(self._users)} users are too few: each is changed once at most")
        changes: list[dict[str, Any]] = [
            {"deliveryTime": "07:30:00"}, {"lastName": "Byron"}, {"tags": ["vip"]},
            {"timezone": self._chance.choice([zone for zone in ZONES if zone != user["timezone"]])},
        ]  # fmt: skip
        body = json.dumps(self._chance.choice(changes)).encode()
        headers = JSON | {"If-Match": f'"{user["version"]}"'}
        holds = f'"version":{user["version"] + 1},'
        return Call(at, "change", "PATCH", self._users_url / user["id"], 200, holds, body, headers)


async def run_api(
    rate: float, seconds: float, users: int = USERS, profile: str | None = None, data: Path = DATA
) -> ApiResult:
    """Start the stack on new data with this many users, send `rate` requests a second, and stop it.

    `profile` names a service to sample into `profile_file`. Raises PipelineError if the users cannot be made;
    StartupError if the stack does not come up.
    """

    async def work(stack: Stack, almanac: Almanac) -> ApiResult:
        await import_users(users, almanac)
        await until_scheduled(users, f"{almanac.event_url}/v1/events/summary", almanac)
        [analytics] = [service for service in stack.services if service.name == "analytics-service"]
        await _until_counted(users, f"{analytics.url}/v1/metrics/overview", almanac)
        mix = Mix(almanac.user_url, await known_users(almanac), random.Random(rate))
        for service in stack.services:
            await vacuum(stack.postgres.url(service.database))
        headers = {"Authorization": f"Bearer {stack.settings.api_key}"}
        await send(list(mix.arrivals(WARM_SHARE * seconds, rate)), headers)
        calls = list(mix.arrivals(seconds, rate))
        sampling: AbstractAsyncContextManager[None] = nullcontext()
        if profile is not None:
            sampling = sampled(stack.supervisor.pid(profile), profile_file(profile, data))
        async with sampling:
            cpu = CpuMeter({name: stack.supervisor.pid(name) for name in (*SERVICES, "postgresql", "emulator")})
            own, began = time.process_time(), time.monotonic()
            answers = await send(calls, headers)
            took, spent = time.monotonic() - began, cpu.spent() | {"load": time.process_time() - own}
        every, faults = Summary.of([each.seconds for each in answers]), [each.fault for each in answers if each.fault]
        return ApiResult(_by_kind(answers), every, took, spent, faults)

    return await Stack(settings(), data / "stack", say).run(work, fresh=True)


async def _until_counted(users: int, url: str, almanac: Almanac) -> None:
    """Wait until nothing of the import is left to be done; `url` is analytics-service's overview."""

    async def look() -> dict[str, int]:
        # At least, and not exactly: a birthday that comes meanwhile has its next one scheduled.
        return {"all": int((await read(almanac.client, url))["totals"]["scheduled"] >= users)}

    await until(look, {"all": 1}, 60 + 0.02 * users)


async def known_users(almanac: Almanac) -> list[dict[str, Any]]:
    """All users, page by page."""
    users, url = list[dict[str, Any]](), f"{almanac.user_url}/v1/users?limit={PAGE}"
    page = await read(almanac.client, url)
    users += page["items"]
    while cursor := page["nextCursor"]:
        page = await read(almanac.client, f"{url}&cursor={cursor}")
        users += page["items"]
    return users


def _by_kind(answers: Sequence[Answered]) -> dict[str, Summary]:
    kinds = sorted({answer.call.kind for answer in answers})
    return {kind: Summary.of([each.seconds for each in answers if each.call.kind == kind]) for kind in kinds}


def show(result: ApiResult) -> None:
    """Print the tables."""
    report(
        f"user API: {result.all.count} requests in {result.seconds:.1f} s",
        ("ms from due to answered", "requests", "p50", "p95", "p99", "worst"),
        (
            (name, s.count, *(1000 * each for each in (s.p50, s.p95, s.p99, s.worst)))
            for name, s in [*result.latency.items(), ("all", result.all)]
        ),
    )
    report(
        f"CPU in {result.seconds:.1f} s",
        ("process", "CPU s", "CPU ms/request", "cores"),
        ((name, cpu, 1000 * cpu / result.all.count, cpu / result.seconds) for name, cpu in result.cpu.items()),
    )


async def main(rate: float, seconds: float, profile: str | None) -> None:
    """Run, and print."""
    print(machine())
    result = await run_api(rate, seconds, profile=profile)
    show(result)
    if profile is not None:
        show_profile(profile, profile_file(profile, DATA))
    if result.faults:
        # Printed with the table: an overloaded machine looks different from a wrong answer.
        raise PipelineError(
            f"{len(result.faults)} of {result.all.count} answers were wrong, such as {result.faults[0]}"
        )
    print(f"api: p95 {1000 * result.all.p95:.1f} ms at {rate:g} requests/s")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rate", type=float, default=200, help="requests a second (default: 200)")
    arguments.add_argument("--seconds", type=float, default=30, help="for how long (default: 30)")
    arguments.add_argument("--profile", choices=SERVICES, help="sample this service with py-spy")
    parsed = arguments.parse_args()
    launch(main(parsed.rate, parsed.seconds, parsed.profile))
