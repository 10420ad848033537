"""Message templates: text with placeholders in braces."""

from collections.abc import Collection, Mapping
from string import Formatter

from chassis.core.locales import canonical
from event_service.domain.number_forms import cardinal, ordinal, read_forms

MAX_MESSAGE = 1_600
"""Characters of a template: what a text message carries. Any event can be delivered by SMS too."""
PERSON = frozenset({"first_name", "last_name", "full_name"})
"""Placeholders that every template may have."""
NUMBER = frozenset({"occurrence_number", "ordinal"})
"""Of events that are counted: ``30`` and ``30th``."""
MOST_TRANSLATIONS = 50
"""Of one message."""
LABEL = frozenset({"label"})
"""Of events that have a name of their own."""


def check_template(template: str, known: Collection[str]) -> None:
    """Raise ValueError, with the rule, where ``template`` cannot be filled in from the placeholders ``known``.

    Names make the message longer than its template: delivery-service refuses to send what SMS does not carry then.
    """
    if len(template) > MAX_MESSAGE:
        raise ValueError(f"must have at most {MAX_MESSAGE} characters, it has {len(template)}")
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"not a template: {error}; write {{{{ and }}}} for braces") from None
    for _, name, form, conversion in parts:
        if name is None:
            continue
        # Bare names only: an attribute, an index or a format would reach into the value. Numbers have forms.
        if name not in known or conversion or (form and name not in NUMBER):
            written = name + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
            raise ValueError(f"unknown placeholder {{{written}}}: known are {', '.join(sorted(known))}")
        if form:
            try:
                read_forms(form)
            except ValueError as error:
                raise ValueError(f"{{{name}:{form}}}: {error}") from None


def render(template: str, values: Mapping[str, str]) -> str:
    """Fill in a template that :func:`check_template` lets pass."""
    return template.format_map(values)


def placeholders(template: str) -> set[str]:
    """Their names."""
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template without the placeholders in ``values``, which stand in it as they are; the others stay."""
    parts: list[str] = []
    for text, name, form, _ in Formatter().parse(template):
        parts.append(_literal(text))
        if name is not None:
            written = f"{{{name}:{form}}}" if form else f"{{{name}}}"
            parts.append(_literal(values[name]) if name in values else written)
    return "".join(parts)


def _literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def translation(messages: Mapping[str, str], locale: str | None) -> str | None:
    """Return the template for a user of ``locale``: that of ``de-AT``, else of ``de``; None where there is neither."""
    if not locale or not messages:
        return None
    parts = locale.split("-")
    tags = ("-".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((messages[tag] for tag in tags if tag in messages), None)


def person(first_name: str, last_name: str) -> dict[str, str]:
    """The values of ``PERSON``."""
    return {"first_name": first_name, "last_name": last_name, "full_name": f"{first_name} {last_name}"}


def counted(number: int, locale: str | None = None) -> dict[str, str]:
    """The values of ``NUMBER`` in a language; in English, with bare digits, where there is none."""
    return {"occurrence_number": cardinal(number, locale), "ordinal": ordinal(number, locale)}


def checked_translations(messages: Mapping[str, str], known: Collection[str]) -> dict[str, str]:
    """Return templates by locale, the locales as they are written (``pt-BR``).

    Raises:
        ValueError: A locale is unknown, or given twice, or its template cannot be filled in from ``known``.
    """
    if len(messages) > MOST_TRANSLATIONS:
        raise ValueError(f"at most {MOST_TRANSLATIONS} locales, not {len(messages)}")
    checked: dict[str, str] = {}
    for tag, template in messages.items():
        locale = canonical(tag)
        if locale is None:
            raise ValueError(f"{tag!r} is not a language that CLDR knows, as a BCP 47 tag like de or pt-BR")
        if locale in checked:
            raise ValueError(f"{locale} is given twice")
        try:
            check_template(template, known)
        except ValueError as error:
            raise ValueError(f"{locale}: {error}") from None
        checked[locale] = template
    return checked
