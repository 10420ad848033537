"""Numbers as languages write and inflect them, by CLDR's data (the ``babel`` package)."""

from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.numbers import format_decimal

ENGLISH = "en"

_MARKS = {
    "ca": {"one": "r", "two": "n", "few": "t", "other": "è"},
    "cs": {"other": "."},
    "da": {"other": "."},
    "de": {"other": "."},
    "en": {"one": "st", "two": "nd", "few": "rd", "other": "th"},
    "es": {"other": ".º"},
    "et": {"other": "."},
    "fi": {"other": "."},
    "fr": {"one": "er", "other": "e"},
    "hr": {"other": "."},
    "hu": {"other": "."},
    "it": {"other": "º"},
    "lv": {"other": "."},
    "nb": {"other": "."},
    "nl": {"other": "e"},
    "no": {"other": "."},
    "pl": {"other": "."},
    "pt": {"other": "º"},
    "sk": {"other": "."},
    "sl": {"other": "."},
    "sr": {"other": "."},
    "sv": {"one": ":a", "other": ":e"},
    "tr": {"other": "."},
}
"""What is written behind an ordinal, by CLDR's category of it. A language that is not here writes the number alone."""

CATEGORIES = ("zero", "one", "two", "few", "many", "other")
"""CLDR's plural categories. A template that gives forms always gives ``other``."""


class NumberText(str):
    """A number in words of a language. Its format chooses a form: ``{ordinal:one=st|two=nd|few=rd|other=th}``."""

    __slots__ = ("category",)
    category: str

    def __new__(cls, text: str, category: str) -> "NumberText":
        made = super().__new__(cls, text)
        made.category = category
        return made

    def __format__(self, form: str) -> str:
        if not form:
            return str(self)
        forms = read_forms(form)
        return forms.get(self.category, forms["other"])


def read_forms(form: str) -> dict[str, str]:
    """Read ``one=year|other=years``.

    Raises:
        ValueError: A part has no known category, or ``other`` is missing.
    """
    forms: dict[str, str] = {}
    for part in form.split("|"):
        category, equals, text = part.partition("=")
        if not equals or category not in CATEGORIES or category in forms:
            raise ValueError(f"{part!r} is not a form like one=year: each of {', '.join(CATEGORIES)} at most once")
        forms[category] = text
    if "other" not in forms:
        raise ValueError("the form other= is missing: it is for numbers that no other form fits")
    return forms


@lru_cache(maxsize=1024)
def cardinal(number: int, tag: str | None) -> NumberText:
    """Return how many: ``1,000`` in English, ``1.000`` in German; bare digits where ``tag`` is None."""
    locale = _locale(tag)
    return NumberText(str(number) if tag is None else format_decimal(number, locale=locale), locale.plural_form(number))


@lru_cache(maxsize=1024)
def ordinal(number: int, tag: str | None) -> NumberText:
    """Return the ordinal of a number: ``30th``, ``30.``, ``1er``; in English where ``tag`` is None."""
    locale = _locale(tag)
    category = locale.ordinal_form(number)
    digits = str(number) if tag is None else format_decimal(number, locale=locale)
    marks = _MARKS.get(locale.language, {})
    return NumberText(digits + marks.get(category, marks.get("other", "")), category)


@lru_cache(maxsize=1024)
def _locale(tag: str | None) -> Locale:
    # A locale may be stored that this release of babel does not have: the numbers of its language are next best.
    while tag:
        try:
            return Locale.parse(tag, sep="-")
        except UnknownLocaleError:
            tag = tag.rpartition("-")[0]
    return Locale.parse(ENGLISH)
