"""Translations of messages, as they are asked for: checked, and their locales written alike."""

from collections.abc import Collection, Mapping

from chassis.core.locales import canonical
from event_service.domain.templates import check_template

MOST_TRANSLATIONS = 50


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
