"""Numbers in messages: written and inflected by CLDR, and as they always were where a message has no language."""

import pytest

from event_service.domain.number_forms import cardinal, ordinal
from event_service.domain.templates import NUMBER, check_template, counted, render, translation


@pytest.mark.parametrize(
    ("locale", "written"),
    [(None, "1000"), ("en", "1,000"), ("de", "1.000"), ("de-CH", "1'000"), ("hi", "1,000")],
)
def test_number_is_written_as_the_language_has_it(locale: str | None, written: str) -> None:
    assert cardinal(1000, locale) == written


@pytest.mark.parametrize(
    ("locale", "number", "written"),
    [
        (None, 22, "22nd"),
        ("en-GB", 3, "3rd"),
        ("de", 30, "30."),
        ("fr", 1, "1er"),
        ("fr-CA", 2, "2e"),
        ("sv", 1, "1:a"),
        ("sv", 3, "3:e"),
        ("it", 8, "8º"),
        ("ja", 5, "5"),
    ],
)
def test_ordinal_is_written_as_the_language_has_it(locale: str | None, number: int, written: str) -> None:
    assert ordinal(number, locale) == written


@pytest.mark.parametrize(("number", "said"), [(1, "1 rok"), (3, "3 lata"), (5, "5 lat"), (22, "22 lata")])
def test_form_is_chosen_by_the_plural_rules_of_the_language(number: int, said: str) -> None:
    template = "{occurrence_number} {occurrence_number:one=rok|few=lata|many=lat|other=roku}"
    check_template(template, NUMBER)
    assert render(template, counted(number, "pl")) == said


@pytest.mark.parametrize(
    ("template", "rule"),
    [
        ("{ordinal:one=st}", "other= is missing"),
        ("{ordinal:first=st|other=th}", "is not a form"),
        ("{ordinal:other=a|other=b}", "is not a form"),
        ("{label:other=x}", "unknown placeholder"),
    ],
)
def test_invalid_form_is_refused_with_the_rule(template: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        check_template(template, NUMBER | {"label"})


@pytest.mark.parametrize(
    ("locale", "found"), [("de-AT", "at"), ("de-CH", "de"), ("de", "de"), ("fr", None), (None, None)]
)
def test_translation_is_that_of_the_tag_or_of_its_parent(locale: str | None, found: str | None) -> None:
    assert translation({"de": "de", "de-AT": "at"}, locale) == found


def test_locale_that_cldr_no_longer_has_is_written_as_its_language() -> None:
    """One that was stored under another release of the data."""
    assert cardinal(1000, "de-ZZ") == "1.000"
    assert ordinal(22, "xx-YY") == "22nd"
