"""Pairs of a name and a value."""

from collections.abc import Iterable

from markupsafe import Markup

from analytics_service.console.markup import Content, joined, tag


def facts(pairs: Iterable[tuple[str, Content]]) -> Markup:
    """A description list."""
    return tag("dl", (joined(tag("dt", name), tag("dd", value)) for name, value in pairs), class_="facts")
