"""What the API's models take and give."""

import re
import unicodedata
from datetime import date, time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as some
from pydantic import TypeAdapter, ValidationError

from user_service.api.schemas import Birthday, DeliveryTime, Email, Name, PastDate, PatchUser, Phone, Tags

_dates: TypeAdapter[date] = TypeAdapter(PastDate)
_times: TypeAdapter[time] = TypeAdapter(DeliveryTime)
_birthdays: TypeAdapter[date] = TypeAdapter(Birthday)
_emails: TypeAdapter[str] = TypeAdapter(Email)
_phones: TypeAdapter[str] = TypeAdapter(Phone)
_names: TypeAdapter[str] = TypeAdapter(Name)
_tags: TypeAdapter[tuple[str, ...]] = TypeAdapter(Tags)


@given(some.dates())
def test_every_date_is_read_as_it_is_written(day: date) -> None:
    assert _dates.validate_python(day.isoformat()) == day


@given(some.integers(0, 9999), some.integers(0, 99), some.integers(0, 99))
@example(1900, 2, 29)
@example(2000, 2, 30)
@example(0, 1, 1)
def test_a_date_is_accepted_only_where_the_calendar_has_it(year: int, month: int, day: int) -> None:
    try:
        expected = date(year, month, day)
    except ValueError:
        with pytest.raises(ValidationError):
            _dates.validate_python(f"{year:04}-{month:02}-{day:02}")
    else:
        assert _dates.validate_python(f"{year:04}-{month:02}-{day:02}") == expected


@given(some.one_of(some.integers(), some.floats(), some.booleans(), some.text(max_size=9), some.none()))
def test_nothing_but_text_of_that_form_is_a_date(value: Any) -> None:
    with pytest.raises(ValidationError):
        _dates.validate_python(value)


@given(some.times().map(lambda value: value.replace(microsecond=0)))
def test_every_time_of_whole_seconds_is_read_as_it_is_written(value: time) -> None:
    assert _times.validate_python(value.isoformat()) == value
    assert _times.validate_python(value.strftime("%H:%M")) == value.replace(second=0)


@given(some.dates())
def test_every_day_of_the_year_is_a_birthday(day: date) -> None:
    read = _birthdays.validate_python(f"{day:%m-%d}")
    assert (read.month, read.day) == (day.month, day.day)


@pytest.mark.parametrize(
    "address",
    ["a@b.c", "o'hara+tag@mail.example.co.uk", "x_y.z@1st.example", f"{'a' * 64}@example.org", "A@XN--80AK.COM"],
)
def test_an_address_that_mail_can_go_to_is_kept_as_it_is(address: str) -> None:
    assert _emails.validate_python(address) == address


@pytest.mark.parametrize("number", ["+12", "+493012345678", "+123456789012345"])
def test_a_number_in_e164_is_kept_as_it_is(number: str) -> None:
    assert _phones.validate_python(number) == number


# Some characters are three in NFC, and four letters show nothing.
@given(
    some.text(
        some.characters(categories=["L", "N", "P"], exclude_characters="\u115f\u1160\u3164\uffa0"),
        min_size=1,
        max_size=33,
    )
)
@example("\u674e" * 100)
def test_a_name_of_up_to_100_characters_of_any_script_is_kept(name: str) -> None:
    assert _names.validate_python(f"  {name}\u2003") == unicodedata.normalize("NFC", name)


@given(some.sets(some.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,8}){0,2}", fullmatch=True), max_size=20))
def test_tags_come_out_sorted_whatever_their_order(tags: set[str]) -> None:
    assert _tags.validate_python(list(tags)) == tuple(sorted(tags))


def test_patch_distinguishes_sent_from_absent_fields() -> None:
    patch = PatchUser.model_validate({"firstName": "Ada", "email": None})
    assert patch.changes() == {"first_name": "Ada", "email": None}


def test_the_documented_patch_says_which_fields_may_be_null() -> None:
    properties = PatchUser.model_json_schema()["properties"]
    nullable = {name for name, schema in properties.items() if {"type": "null"} in schema.get("anyOf", [])}
    assert nullable == {"email", "phone", "tags", "deliveryTime", "externalId", "sendWindow", "locale"}
    assert not any("default" in schema for schema in properties.values())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("\u200b", "must have a visible character"),
        ("\u200b\u200d\ufeff\u2060", "must have a visible character"),
        ("\u3164", "must have a visible character"),
        ("\ufe0f", "must have a visible character"),
        ("\u3000\u200b ", "must have a visible character"),
        ("Ada\u202eecalevoL", "must not contain the character U+202E, which changes the direction"),
        ("\u2066Ada\u2069", "must not contain the character U+2066, which changes the direction"),
        ("Ada\u2028Marie", "must not contain the character U+2028, which breaks the line"),
        ("Ada\u2029", "must not contain the character U+2029, which breaks the line"),
        ("Ada\ufffe", "must not contain the character U+FFFE, which is no character"),
        ("Ada\uffff", "must not contain the character U+FFFF, which is no character"),
        ("Ada\ufdd0", "must not contain the character U+FDD0, which is no character"),
        ("Ada\U0001fffe", "must not contain the character U+1FFFE, which is no character"),
        ("Ada\U0010ffff", "must not contain the character U+10FFFF, which is no character"),
        ("Ada\x85", "must not contain control characters"),
        ("\u3000\u2003", "must not be blank"),
    ],
)
def test_a_name_that_shows_nothing_or_disturbs_what_is_around_it_is_refused_with_the_reason(
    name: str, reason: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        _names.validate_python(name)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "O'Hara",
            "D\u2019Angelo",
            "Jean-Luc",
            "Dr. No",
            "\u00c5ngstr\u00f6m",
            "X",
            "\u674e",
            "\u738b\u5c0f\u660e",
            "\U00020bb7\u7530",
        ),
        *(
            "\u05d9\u05e2\u05e7\u05d1",
            "\u0645\u062d\u0645\u062f",
            "\u0646\u0627\u0632\u200c\u0646\u06cc\u0646",
            "\u0e2d\u0e2d\u0e21",
            "\u0939\u093f\u0928\u094d\u200d\u0926\u0940",
        ),
        *(
            "\u200fAda",
            "\u1e08\u0323x\u0301\u0302",
            "\U0001f382",
            "\U0001f469\u200d\U0001f680",
            "\u1e9e\u0130\u0131",
            "x" * 100,
        ),
    ],
)
def test_every_real_name_is_taken_and_kept(name: str) -> None:
    assert _names.validate_python(name) == unicodedata.normalize("NFC", name)


def test_a_name_is_kept_in_nfc_and_counted_so() -> None:
    assert _names.validate_python("A\u030angstro\u0308m") == "\u00c5ngstr\u00f6m"
    assert _names.validate_python("e\u0301" * 100) == "\u00e9" * 100
    with pytest.raises(ValidationError, match="at most 100"):
        _names.validate_python("e\u0301" * 101)


@given(some.text(some.characters(codec="utf-8"), min_size=1, max_size=40))
def test_the_documented_pattern_refuses_what_a_name_refuses(name: str) -> None:
    pattern = _names.json_schema()["pattern"]
    try:
        _names.validate_python(name)
    except ValidationError as error:
        # A pattern of ECMA-262 without flags has no characters beyond the first plane.
        assert any(ord(character) > 0xFFFF for character in name) or not re.search(pattern, name), str(error)
