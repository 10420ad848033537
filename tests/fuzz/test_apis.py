"""Every API fuzzed by its OpenAPI document, with the routes that it has today.

A short fixed run here; `make fuzz CASES=10000` makes at least as many cases as it says of every service.
"""

import asyncio
import json
import os
from pathlib import Path

import pytest

from contracts.vocabulary import Service
from testkit.fuzzing import RunService, fuzz

CASES = int(os.environ.get("FUZZ_CASES", "0"))
EXAMPLES = 100 if CASES else 4
"""At random, of each operation and each way through several."""

BEYOND_SCHEMA = {
    Service.USER: {
        *("birth-in-future", "anniversary-in-future", "too-many-anniversaries", "import-body-changed"),
        *("as in the path, or be left out", "must be a language that CLDR knows"),
    },
    Service.EVENT: {
        *("exclusive-parameters", "invalid-rule", "invalid-template", "priority-too-low", "expiry-before-grace"),
        *("schedule-derived", "schedule-ended", "invalid-items", "impossible-time", "label-missing"),
        *("give exactly one of timezones, tags", "goes with a local time only", "is needed with a local time"),
        *("must be a language that CLDR knows", "is not the DTSTART of rrule", "is not the zone of the DTSTART"),
        *("unless rrule has a line DTSTART", "is not a line like DTSTART", "must have one RRULE and at most one"),
        *("needs a DTSTART with a TZID", "must be the zone of DTSTART", "give exactly one of userId, scheduleId, tag"),
        "import-body-changed",
    },
    Service.DELIVERY: {
        *("reason-while-enabled", "url-refused", "header-refused", "secret-refused", "too-many-secrets"),
        *("not-of-this-kind", "not-redrivable", "contact-needed"),
    },
    Service.ANALYTICS: {"range-too-long", "silence-past"},
}
"""The problems that a request may meet though its schema allows it, by slug or by what their detail says."""

_GOLDEN = Path(__file__).parents[2] / "libs/contracts/tests/golden"
USER = json.loads((_GOLDEN / "UserCreated.v1.0.json").read_text())["data"]["items"][0]
BEYOND_ANY_SCHEMA = {
    "idempotency-key-reused",
    *("must not contain the character U+", "must not have a name with the character", "must not be nested deeper"),
    # A cursor is of one list, and no schema says of which; a name may have letters that show nothing.
    *("not a cursor of this list", "must have a visible character", "must not have more than"),
    *("must be an integer of 64 bits", "must be a finite number", "must be earlier than `to`"),
}
"""Findings that apply to every value and would be reported a hundred times."""
KNOWN = {
    Service.EVENT: {"userId": USER["userId"]},
    # No server listens there, so that requests end on this machine.
    Service.DELIVERY: {"url": "https://127.0.0.1:1/hook"},
}
"""What a body can name that is really there."""


@pytest.mark.timeout(7200 if CASES else 900)
@pytest.mark.parametrize("service", list(BEYOND_SCHEMA))
async def test_an_api_does_what_its_document_says_whatever_is_sent(service: Service, run_service: RunService) -> None:
    beyond, known = {*BEYOND_SCHEMA[service], *BEYOND_ANY_SCHEMA}, KNOWN.get(service)
    async with run_service(service) as process:
        result = await asyncio.to_thread(
            fuzz, process.url, process.key, examples=EXAMPLES, cases=CASES, beyond_schema=beyond, known=known
        )
    print(f"{service}: {result}")
    assert result.cases > 100
    assert not result.faults, str(result)
