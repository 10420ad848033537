"""How an address says which dead letters are wanted, and what a change of all of them would concern."""

from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import pytest

from almanac_client import DeadLetterFilter
from console.dead_letter_filter import EVERYTHING, Wanted, form

ID = UUID("0190163d-8694-739b-aea5-966c26f8ad91")
CHOSEN = DeadLetterFilter(
    event_type="BIRTHDAY",
    event_id=ID,
    endpoint_id=ID,
    reason="exhausted",
    start=datetime(2026, 11, 23, 14, tzinfo=UTC),
    end=datetime(2026, 11, 24, tzinfo=UTC),
)


def test_an_address_gives_back_what_made_it() -> None:
    wanted = Wanted(CHOSEN, status="DISCARDED")
    again = Wanted.of(dict(parse_qsl(urlsplit(wanted.address(cursor="next")).query)))
    assert again == Wanted(CHOSEN, status="DISCARDED", cursor="next")


def test_empty_filter_means_open_dead_letters() -> None:
    wanted = Wanted.of({"eventType": "", "from": ""})
    assert (wanted.selection, wanted.status, wanted.faults) == (DeadLetterFilter(), "OPEN", ())


def test_every_status_is_asked_for_by_naming_none() -> None:
    assert Wanted.of({"status": "ANY"}).asked_status is None
    assert Wanted.of({}).asked_status == "OPEN"


@pytest.mark.parametrize(
    ("name", "value"),
    [("eventType", "PARTY"), ("endpointId", "mine"), ("reason", "boredom"), ("from", "soon"), ("status", "LOST")],
)
def test_invalid_filter_is_named_and_ignored(name: str, value: str) -> None:
    wanted = Wanted.of({name: value})
    assert wanted.selection == DeadLetterFilter()
    (fault,) = wanted.faults
    assert fault.startswith(f"{name} is ")


def test_a_time_without_a_zone_is_utc_as_the_form_says() -> None:
    assert Wanted.of({"from": "2026-11-23T14:00"}).selection.start == datetime(2026, 11, 23, 14, tzinfo=UTC)


def test_a_change_of_all_names_a_filter_because_the_service_wants_one() -> None:
    assert Wanted.of({}).changed == EVERYTHING
    assert not EVERYTHING.is_empty
    assert Wanted(CHOSEN).changed == CHOSEN


def test_scope_of_a_bulk_action_is_described() -> None:
    assert Wanted.of({}).words([]) == "all open dead letters, whatever they are"
    chosen = DeadLetterFilter(event_type="BIRTHDAY", reason="exhausted", start=CHOSEN.start)
    said = "all open dead letters of type BIRTHDAY, with the reason exhausted, from 2026-11-23 14:00 UTC on"
    assert Wanted(chosen).words([]) == said


def test_the_form_is_filled_in_with_what_is_shown_and_lets_no_markup_in() -> None:
    shown = form(Wanted(CHOSEN), [])
    assert '<option value="BIRTHDAY" selected>Birthday</option>' in shown
    assert 'value="2026-11-23T14:00"' in shown
    assert f'<option value="{ID}" selected>{ID}</option>' in shown
