"""Languages of people, as BCP 47 tags, and how they are written.

The data are CLDR's, from the ``babel`` package.
"""

from functools import lru_cache

from babel import Locale, UnknownLocaleError


@lru_cache(maxsize=4096)
def locale_of(tag: str) -> Locale | None:
    """Return what CLDR knows of ``tag``, such as ``de-AT``; None where it knows nothing of it."""
    try:
        return Locale.parse(tag, sep="-")
    except (UnknownLocaleError, ValueError):
        return None


def canonical(tag: str) -> str | None:
    """Return ``tag`` as it is written, like ``pt-BR`` or ``zh-Hant``; None where CLDR does not know it."""
    locale = locale_of(tag)
    return None if locale is None else str(locale).replace("_", "-")
