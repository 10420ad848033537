"""An API fuzzed by its own OpenAPI document: whatever routes it has, with data that is valid and data that is not."""

import json
import re
import zoneinfo
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import count
from os import cpu_count, getloadavg
from typing import Any, NamedTuple
from uuid import UUID
from zlib import crc32

import schemathesis
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.engine import Status, events, from_schema
from schemathesis.openapi.checks import AllowHeaderMismatch, RejectedPositiveData, UnsupportedMethodResponse

from chassis.api.pages import encode_cursor
from contracts.vocabulary import Service

_TIMEOUT_SECONDS = 300
MAX_REFUSAL_BYTES = 10_000
MAX_ANSWER_SECONDS = 10.0
"""Of any request, by the number of processes that share a processor: other tests may run beside."""
_MAX_STEPS = 6
# To what is valid by its schema: done, or in conflict with stored data; never "invalid" and never our fault.
_ACCEPTABLE = ["2xx", "404", "409", "412"]

_ZONES = st.sampled_from(sorted(zoneinfo.available_timezones() - {"Factory"}))
_DAYS = st.dates(date(1900, 1, 1), date(2020, 12, 31)).map(date.isoformat)
_URL = re.compile(r"https?://[a-zA-Z0-9.-]+(:\d{1,4})?/[\w/.-]{0,500}", re.ASCII)
_NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters='",'), min_size=1)


class FuzzedService(NamedTuple):
    """Where a service is asked, the key that may do all, and the id of its process."""

    url: str
    key: str
    pid: int


RunService = Callable[[Service], AbstractAsyncContextManager[FuzzedService]]
"""`async with run_service(Service.USER) as process` runs all roles of a service."""


@dataclass
class Fuzzed:
    """The result: how many requests were made, and each kind of fault with one request that shows it."""

    cases: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)
    slowest: float = 0.0
    longest_refusal: int = 0

    def __str__(self) -> str:
        answers = ", ".join(f"{number} × {status}" for status, number in sorted(self.answers.items()))
        faults = "\n\n".join(f"{name}\n{shown}" for name, shown in self.faults.items())
        bounds = f"slowest answer {self.slowest:.2f} s, longest refusal {self.longest_refusal} bytes"
        return f"{len(self.faults)} faults in {self.cases} cases ({answers}; {bounds})\n\n{faults}"


def fuzz(
    url: str,
    key: str,
    *,
    examples: int,
    cases: int = 0,
    seed: int = 1,
    beyond_schema: Collection[str] = (),
    known: Mapping[str, str] | None = None,
) -> Fuzzed:
    """Ask every operation of the API at ``url``: what its schema's bounds suggest, ``examples`` at random, sequences.

    Continues with other seeds until there were ``cases``, or a fault. The same seed makes the same requests as long as
    the answers are the same. ``beyond_schema`` are the problems that a request may meet though it is valid by its
    schema, by slug or by a part of their detail, since no schema can express it: rules between fields, with the time
    of day, or with what is stored. ``known`` are values of a body's fields, UUIDs or URLs, that go on where others are
    turned away: half of the values generated for such a field are replaced by them.
    """
    _register_formats()
    result = Fuzzed()
    for turn in count():
        _run(_config(key, examples, seed + turn, bounds=turn == 0), url, beyond_schema, known or {}, result)
        if result.cases >= cases or result.faults:
            return result
    raise AssertionError


def _config(key: str, examples: int, seed: int, *, bounds: bool) -> SchemathesisConfig:
    return SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "headers": {"Authorization": f"Bearer {key}"},
            "request-timeout": _TIMEOUT_SECONDS,
            "continue-on-failure": True,
            "generation": {"max-examples": examples, "no-shrink": True, "database": "none"},
            "phases": {
                "coverage": {"enabled": bounds},
                # The document alone says what is valid: nothing is guessed from what the API refuses.
                "fuzzing": {"error-feedback": {"enabled": False}},
                "stateful": {"max-steps": _MAX_STEPS},
            },
            "checks": {
                "positive_data_acceptance": {"expected-statuses": _ACCEPTABLE},
                "missing_required_header": {"expected-statuses": ["401", "422", "428"]},
            },
        }
    )


def _run(
    config: SchemathesisConfig, url: str, beyond_schema: Collection[str], known: Mapping[str, str], result: Fuzzed
) -> None:
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", config=config, timeout=_TIMEOUT_SECONDS)

    templates = [re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)) for path in schema.raw_schema["paths"] if "{" in path]

    @schema.hook
    def map_body(context: Any, body: Any) -> Any:
        return _with_known(body, known)

    @schema.hook
    def filter_failure(context: Any, failure: Failure, case: Any, response: Response) -> bool:
        if isinstance(failure, UnsupportedMethodResponse | AllowHeaderMismatch):
            # A name beside an id, like `/events/batch`, is also an id that is none, with that one's methods.
            return "{" in case.path or not any(template.fullmatch(case.path) for template in templates)
        return not isinstance(failure, RejectedPositiveData) or not _is_one_of(beyond_schema, response)

    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            _read(event, result)
        elif isinstance(event, events.NonFatalError):
            result.faults[f"{event.label}: {event.info.title}"] = event.info.message
        elif isinstance(event, events.FatalError):
            raise event.exception


def _read(event: events.ScenarioFinished, result: Fuzzed) -> None:
    recorder = event.recorder
    result.cases += len(recorder.interactions)
    for interaction in recorder.interactions.values():
        given = interaction.response
        result.answers[str(given.status_code) if given else "none"] += 1
        if given is None:
            continue
        if given.status_code >= 400 and len(given.content) > MAX_REFUSAL_BYTES:
            result.faults.setdefault(
                f"{event.label}: refusal too long", f"{len(given.content)} bytes: {given.text[:2000]}"
            )
        if given.elapsed > MAX_ANSWER_SECONDS * _crowding():
            result.faults.setdefault(f"{event.label}: answer too late", f"{given.elapsed:.1f} s: {given.text[:2000]}")
        result.slowest = max(result.slowest, given.elapsed)
        result.longest_refusal = max(result.longest_refusal, len(given.content) * (given.status_code >= 400))
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.status is Status.FAILURE and check.failure_info is not None:
                failure = check.failure_info.failure
                answer = recorder.interactions.get(failure.case_id or case_id)
                shown = [failure.message, check.failure_info.code_sample]
                if answer is not None and answer.response is not None:
                    shown.append(f"{answer.response.status_code} {answer.response.text[:2000]}")
                result.faults.setdefault(f"{failure.operation}: {failure.title} ({check.name})", "\n".join(shown))


def _crowding() -> float:
    """How many processes share a processor, at least 1."""
    return max(1.0, getloadavg()[0] / (cpu_count() or 1))


def _is_one_of(problems: Collection[str], response: Response) -> bool:
    problem: dict[str, Any] = response.json()
    slug, detail = str(problem.get("type", "")).rpartition(":")[2], str(problem.get("detail", ""))
    return slug in problems or any(" " in each and each in detail for each in problems)


def _with_known(body: Any, known: Mapping[str, str]) -> Any:
    if isinstance(body, list):
        return [_with_known(each, known) for each in body]
    if not isinstance(body, dict):
        return body
    return {
        name: known[name] if name in known and _gives_way(value) else _with_known(value, known)
        for name, value in body.items()
    }


def _gives_way(value: Any) -> bool:
    """Only what is valid: input that was generated to be refused must stay invalid."""
    if not isinstance(value, str) or crc32(value.encode(errors="replace")) % 2:
        return False
    if _URL.fullmatch(value):
        return True
    try:
        return str(UUID(value)) == value.lower()
    except ValueError:
        return False


def _register_formats() -> None:
    """What is valid of a kind that a schema names without saying how it is made."""
    instants = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
    cursors = st.builds(lambda at, id: encode_cursor((at, id)), instants, st.uuids())
    schemathesis.openapi.format("cursor", cursors)
    schemathesis.openapi.format("time-zone", _ZONES)
    schemathesis.openapi.format("etag", st.one_of(st.just("*"), st.integers(1, 9).map('"{}"'.format)))
    walls = instants.map(lambda at: f"{at:%Y-%m-%dT%H:%M:%S}")
    schemathesis.openapi.format("local-date-time", walls)
    schemathesis.openapi.format("moment", st.one_of(st.just("now"), walls, walls.map("{}Z".format)))
    rows = st.tuples(_NAMES, _NAMES, _DAYS, _ZONES)
    names = ("firstName", "lastName", "dateOfBirth", "timezone")
    _register_lines("text/csv", rows.map(",".join), ",".join(names))
    _register_lines("application/x-ndjson", rows.map(lambda row: json.dumps(dict(zip(names, row, strict=True)))))


def _register_lines(media_type: str, lines: st.SearchStrategy[str], *header: str) -> None:
    mixed = st.lists(st.one_of(lines, st.text(max_size=100)), max_size=20)
    schemathesis.openapi.media_type(
        media_type, mixed.map(lambda some: "\n".join([*header, *some]).encode(errors="replace"))
    )
