"""Templates are checked when they are given, and say the same of every number."""

import pytest

from event_service.domain.number_forms import ordinal
from event_service.domain.templates import LABEL, NUMBER, PERSON, check_template, counted, person, render


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (0, "0th"), (1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (10, "10th"), (11, "11th"), (12, "12th"),
        (13, "13th"), (21, "21st"), (22, "22nd"), (23, "23rd"), (30, "30th"), (101, "101st"), (111, "111th"),
        (112, "112th"), (113, "113th"), (121, "121st"),
    ],
)  # fmt: skip
def test_ordinals_are_those_of_english(number: int, word: str) -> None:
    assert ordinal(number, None) == word


def test_a_template_is_filled_in_with_names_number_and_label() -> None:
    template = "{first_name} {last_name} ({full_name}), {occurrence_number}, {ordinal}, {label}, {{braces}}"
    check_template(template, PERSON | NUMBER | LABEL)
    values = {**person("Ada", "Lovelace"), **counted(30), "label": "Wedding"}
    assert render(template, values) == "Ada Lovelace (Ada Lovelace), 30, 30th, Wedding, {braces}"


def test_braces_in_a_name_are_not_read_as_placeholders() -> None:
    assert render("Hey {first_name}", person("{last_name}", "L")) == "Hey {last_name}"


@pytest.mark.parametrize(
    ("template", "rule"),
    [
        ("Hey {name}", r"unknown placeholder \{name\}: known are first_name, full_name, last_name"),
        ("Hey {label}", r"unknown placeholder \{label\}"),
        ("Hey {first_name.__class__}", "unknown placeholder"),
        ("Hey {first_name[0]}", "unknown placeholder"),
        ("Hey {first_name!r}", r"unknown placeholder \{first_name!r\}"),
        ("Hey {first_name:>10}", r"unknown placeholder \{first_name:>10\}"),
        ("Hey {}", r"unknown placeholder \{\}"),
        ("Hey {0}", r"unknown placeholder \{0\}"),
        ("Hey {", "not a template"),
        ("Hey }", "not a template"),
        ("a" * 1_601, "at most 1600 characters, it has 1601"),
    ],
)
def test_unknown_placeholder_is_refused_with_the_rule(template: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        check_template(template, PERSON)
