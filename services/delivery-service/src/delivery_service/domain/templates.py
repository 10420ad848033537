"""What a person reads: texts with ``{placeholders}`` for the event's own words."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

MAX_SUBJECT = 200
"""Characters, of a template and of what it becomes."""
MAX_TEXT = 5_000
MAX_SMS = 1_600
"""Characters that Amazon SNS takes of one text message."""
MAX_HTML = 50_000
TEST_MESSAGE = "This is a test of Almanac: if you read it, this endpoint works."

_PLACEHOLDER = re.compile(r"\{([A-Za-z][A-Za-z0-9_]{0,63})\}")
_MESSAGE = "{message}"
_HTML = """<!doctype html>
<html><head><meta charset="utf-8"></head>
<body style="font-family: sans-serif; font-size: 16px; margin: 2em"><p>{message}</p></body></html>
"""


@dataclass(frozen=True, slots=True)
class Template:
    """Texts of an endpoint's own; None for the plain message. Only an e-mail has a subject and HTML."""

    subject: str | None = None
    text: str | None = None
    html: str | None = None

    def render_subject(self, values: Mapping[str, object]) -> str:
        """In one line, and no longer than a subject may be."""
        return " ".join(_render(self.subject or _MESSAGE, values).split())[:MAX_SUBJECT]

    def render_text(self, values: Mapping[str, object]) -> str:
        return _render(self.text or _MESSAGE, values)

    def render_html(self, values: Mapping[str, object]) -> str:
        """With the event's words escaped: their authors write no HTML."""
        return _render(self.html or _HTML, {name: escape(_word(value)) for name, value in values.items()})


def _render(text: str, values: Mapping[str, object]) -> str:
    """A word that the event does not have is left out; braces that enclose no name stay."""
    return _PLACEHOLDER.sub(lambda match: _word(values.get(match[1], "")), text)


def _word(value: object) -> str:
    return "" if value is None else str(value)
