"""HTML put together from values. Whatever is not :class:`Markup` already is escaped."""

from collections.abc import Iterable

from markupsafe import Markup

Content = Markup | str | int | None
"""Text, or markup of ours; None is nothing."""


def tag(name: str, /, *content: Content | Iterable[Content], **attributes: str | bool | None) -> Markup:
    """``<name …>content</name>``. Of attributes, ``class_`` is ``class`` and ``aria_label`` ``aria-label``; False and
    None are left out, True is one without a value.
    """
    parts = [
        Markup(" {}").format(key.rstrip("_").replace("_", "-"))
        if value is True
        else Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), value)
        for key, value in attributes.items()
        if value is not None and value is not False
    ]
    opening = Markup("<{}{}>").format(name, Markup("").join(parts))
    return Markup("{}{}</{}>").format(opening, joined(*content), name)


def joined(*content: Content | Iterable[Content]) -> Markup:
    """All of it, one after the other."""
    return Markup("").join(
        Markup("").join("" if each is None else each if isinstance(each, str) else str(each) for each in many)
        for many in ((item,) if item is None or isinstance(item, (str, int)) else item for item in content)
    )


def link(text: Content, address: str, **attributes: str | bool | None) -> Markup:
    return tag("a", text, href=address, **attributes)


def badge(text: str, tone: str = "plain") -> Markup:
    """A word with a colour. ``tone`` is one of plain, good, watch, bad, busy; the word says it without colours."""
    return tag("span", text, class_=f"badge {tone}")
