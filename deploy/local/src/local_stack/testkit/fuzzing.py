"""An API fuzzed by its own OpenAPI document: whatever routes it has, with data that is valid and data that is not."""

import json
import zoneinfo
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.engine import Status, events, from_schema
from schemathesis.openapi.checks import RejectedPositiveData

from chassis.api.pages import encode_cursor

_TIMEOUT_SECONDS = 30
_MAX_STEPS = 6
# To what is valid by its schema: done, or in conflict with what is there; never "invalid" and never our fault.
_ACCEPTABLE = ["2xx", "404", "409", "412"]

_ZONES = st.sampled_from(sorted(zoneinfo.available_timezones() - {"Factory"}))
_DAYS = st.dates(date(1900, 1, 1), date(2020, 12, 31)).map(date.isoformat)
_NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters='",'), min_size=1)


@dataclass
class Fuzzed:
    """What came of it: how many requests were made, and each kind of fault with one request that shows it."""

    cases: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        answers = ", ".join(f"{count} × {status}" for status, count in sorted(self.answers.items()))
        faults = "\n\n".join(f"{name}\n{shown}" for name, shown in self.faults.items())
        return f"{len(self.faults)} faults in {self.cases} cases ({answers})\n\n{faults}"


def fuzz(url: str, key: str, *, examples: int, seed: int, beyond_schema: Collection[str] = ()) -> Fuzzed:
    """Ask every operation of the API at ``url``: what its schema's bounds suggest, ``examples`` at random, sequences.

    The same seed makes the same requests as long as the answers are the same. ``beyond_schema`` are the slugs of
    problems that a valid request may meet, since no schema can say so: rules between fields, or with what is stored.
    """
    _register_formats()
    config = SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "headers": {"Authorization": f"Bearer {key}"},
            "request-timeout": _TIMEOUT_SECONDS,
            "continue-on-failure": True,
            "generation": {"max-examples": examples, "deterministic": True, "no-shrink": True, "database": "none"},
            # The document alone says what is valid: nothing is guessed from what the API refuses.
            "phases": {"fuzzing": {"error-feedback": {"enabled": False}}, "stateful": {"max-steps": _MAX_STEPS}},
            "checks": {
                "positive_data_acceptance": {"expected-statuses": _ACCEPTABLE},
                "missing_required_header": {"expected-statuses": ["401", "422", "428"]},
            },
        }
    )
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", config=config)

    @schema.hook
    def filter_failure(context: Any, failure: Failure, case: Any, response: Response) -> bool:
        return not isinstance(failure, RejectedPositiveData) or _slug(response) not in beyond_schema

    result = Fuzzed()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            _read(event, result)
        elif isinstance(event, events.NonFatalError):
            result.faults[f"{event.label}: {event.info.title}"] = event.info.message
        elif isinstance(event, events.FatalError):
            raise event.exception
    return result


def _read(event: events.ScenarioFinished, result: Fuzzed) -> None:
    recorder = event.recorder
    result.cases += len(recorder.interactions)
    for interaction in recorder.interactions.values():
        result.answers[str(interaction.response.status_code) if interaction.response else "none"] += 1
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.status is Status.FAILURE and check.failure_info is not None:
                failure = check.failure_info.failure
                answer = recorder.interactions.get(failure.case_id or case_id)
                shown = [failure.message, check.failure_info.code_sample]
                if answer is not None and answer.response is not None:
                    shown.append(f"{answer.response.status_code} {answer.response.text[:2000]}")
                result.faults.setdefault(f"{failure.operation}: {failure.title} ({check.name})", "\n".join(shown))


def _slug(response: Response) -> str:
    problem: dict[str, Any] = response.json()
    return str(problem.get("type", "")).rpartition(":")[2]


def _register_formats() -> None:
    """What is valid of a kind that a schema names without saying how it is made."""
    cursors = st.builds(
        lambda at, id: encode_cursor((at, id)),
        st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - its zone follows
        st.uuids(),
    )
    schemathesis.openapi.format("cursor", cursors)
    schemathesis.openapi.format("time-zone", _ZONES)
    schemathesis.openapi.format("etag", st.one_of(st.just("*"), st.integers(1, 9).map('"{}"'.format)))
    rows = st.tuples(_NAMES, _NAMES, _DAYS, _ZONES)
    names = ("firstName", "lastName", "dateOfBirth", "timezone")
    tables = st.lists(st.one_of(rows.map(",".join), st.text(max_size=100)), max_size=20)
    schemathesis.openapi.media_type(
        "text/csv", tables.map(lambda lines: "\n".join([",".join(names), *lines]).encode(errors="replace"))
    )
    objects = rows.map(lambda row: json.dumps(dict(zip(names, row, strict=True))))
    streams = st.lists(st.one_of(objects, st.text(max_size=100)), max_size=20)
    schemathesis.openapi.media_type(
        "application/x-ndjson", streams.map(lambda lines: "\n".join(lines).encode(errors="replace"))
    )
