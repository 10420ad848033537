"""A body as large as a body may be costs a service a bounded answer and bounded memory, whatever it says."""

import json
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from contracts.vocabulary import Service
from testkit.fuzzing import RunService

LARGE = 1_000_000
"""Bytes; what is longer is refused unread."""
ANSWER_BYTES = 10_000
PEAK_MIB = 300
TIMES = 5


def _list(of: str) -> str:
    """A JSON array as large as a body may be."""
    return f"[{','.join([of] * (LARGE // (len(of) + 1)))}]"


def _object() -> str:
    """A JSON object with as many keys as a body has room for."""
    return json.dumps({f"key{number}": 0 for number in range(LARGE // 16)})


_EVENT = '{"userId": "01a22472-53b6-7000-8000-000000000000", "unknown": 0}'
BODIES: Mapping[Service, tuple[tuple[str, str], ...]] = {
    Service.USER: (
        ("/v1/users", f'{{"firstName": "Ada", "anniversaries": {_list("0")}}}'),
        ("/v1/users", f'{{"firstName": "Ada", "tags": {_list("1")}}}'),
        ("/v1/users", f'{{"firstName": "Ada", "tags": {_list(chr(34) + "a" + chr(34))}}}'),
        ("/v1/users", _object()),
    ),
    Service.EVENT: (
        ("/v1/events/batch", f'{{"items": {_list(_EVENT)}}}'),
        ("/v1/events/batch", f'{{"items": [{_object()}]}}'),
        ("/v1/schedules", f'{{"rule": {{"kind": "RRULE", "exdates": {_list("0")}}}}}'),
        ("/v1/broadcasts", f'{{"audience": {{"timezones": {_list("0")}}}}}'),
    ),
    Service.DELIVERY: (
        ("/v1/endpoints", f'{{"eventTypes": {_list("0")}}}'),
        ("/v1/endpoints", f'{{"headers": {_object()}}}'),
    ),
    Service.ANALYTICS: (
        ("/v1/silences", f'{{"labels": {_object()}}}'),
        ("/v1/silences", _object()),
    ),
}


@pytest.mark.parametrize("service", list(BODIES))
async def test_large_refused_bodies_get_short_answers_and_take_bounded_memory(
    service: Service, run_service: RunService
) -> None:
    async with (
        run_service(service) as process,
        httpx.AsyncClient(
            base_url=process.url,
            headers={"Authorization": f"Bearer {process.key}", "Content-Type": "application/json"},
            timeout=60,
        ) as client,
    ):
        for path, body in BODIES[service] * TIMES:
            assert LARGE * 0.9 < len(body) < 1024 * 1024
            answer = await client.post(path, content=body)
            assert answer.status_code == 422, answer.text
            assert 1 <= len(answer.json()["errors"]) <= 10
            assert len(answer.content) < ANSWER_BYTES
        assert _peak_mib(process.pid) < PEAK_MIB


def _peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
