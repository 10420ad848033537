"""What is read from running services: their APIs' counts until they are as wanted, and their calls to AWS."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

# Each reading of a summary counts every event, so looking more often would be part of what is measured.
POLL_SECONDS = 0.05
_AWS_CALLS = "almanac_aws_calls_total"


class PipelineError(Exception):
    """The pipeline did not do what it should; the message says what."""


async def read(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    """A JSON object from an API; httpx.HTTPError if it does not answer with one."""
    answer = await client.get(url)
    answer.raise_for_status()
    value: dict[str, Any] = answer.json()
    return value


async def until(look: Callable[[], Awaitable[Mapping[str, int]]], wanted: Mapping[str, int], timeout: float) -> float:
    """Look until all `wanted` counts are there, and return when that was seen (Unix seconds).

    Raises PipelineError, with the actual state, after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        counts = await look()
        seen = {name: counts[name] for name in wanted}
        if seen == wanted:
            return time.time()
        if time.monotonic() > deadline:
            raise PipelineError(f"waited {timeout:g} s for {dict(wanted)} and saw {seen}")
        await asyncio.sleep(POLL_SECONDS)


async def aws_calls(client: httpx.AsyncClient, service_url: str) -> Counter[str]:
    """A service's calls to AWS since it started, by operation."""
    answer = await client.get(f"{service_url}/metrics")
    answer.raise_for_status()
    return parse_aws_calls(answer.text)


def parse_aws_calls(exposition: str) -> Counter[str]:
    """The calls to AWS in Prometheus' text format, by operation, those on all queues added."""
    calls: Counter[str] = Counter()
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            if sample.name == _AWS_CALLS:
                calls[sample.labels["operation"]] += int(sample.value)
    return calls
