"""Keeps personal data out of what errors say: of logs, of span events, of an operator's terminal.

Errors of PostgreSQL quote rows and keys (``DETAIL``), its driver quotes parameters, Pydantic quotes its input. They are
cleared where they are raised (:func:`clear_database_error`), and what is logged or traced is redacted once more.
"""

import re
import sys
import traceback
from types import TracebackType
from typing import Any

import asyncpg
from pydantic import ValidationError
from sqlalchemy.exc import StatementError

MAX_MESSAGE = 500
MAX_VALUE = 2_000
MAX_TRACEBACK = 6_000
"""Characters of an error's text, of a value of a log line, and of a traceback with all its causes."""
MAX_FRAMES = 12
"""Of each error, the last ones."""

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

_LINES = re.compile(r"\s*\n\s*(?:DETAIL|HINT|CONTEXT|WHERE|QUERY|LINE \d+):.*", re.DOTALL)
# What asyncpg says of a parameter that it cannot encode: "invalid input for query argument $2: 'Ada' (expected …)".
_ARGUMENT = re.compile(r"(invalid input for query argument \$\d+).*", re.DOTALL)
_INPUT = re.compile(
    r"(invalid input (?:syntax|value) for [^:]*|invalid byte sequence[^:]*|value too long[^:]*):.*", re.DOTALL
)
# What Pydantic says of a fault.
_PYDANTIC_INPUT = re.compile(r"input_value=.*?, input_type=", re.DOTALL)
_E_MAIL = re.compile(r"[^\s@<>'\"(),;:=&?/]{1,64}(?:@|%40)[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"(?<![\w+-])\+[1-9]\d{7,14}(?!\w)")


def redact(text: str) -> str:
    """Return ``text`` without what PostgreSQL and its driver quote, without e-mail addresses and phone numbers."""
    text = _LINES.sub("", text)
    text = _ARGUMENT.sub(r"\1", text)
    text = _PYDANTIC_INPUT.sub("input_type=", _INPUT.sub(r"\1", text))
    return _PHONE.sub("<phone>", _E_MAIL.sub("<e-mail>", text))


def clear_database_error(error: BaseException) -> None:
    """Take parameters, rows and keys out of an error of PostgreSQL or its driver, and out of what wraps it."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        if isinstance(current, asyncpg.PostgresError):
            current.__dict__.update(detail=None, hint=None, where=None, query=None)
        current.args = tuple(redact(arg) if isinstance(arg, str) else arg for arg in current.args)
        if isinstance(current, StatementError):
            current.params = None
        current = getattr(current, "orig", None) or current.__cause__


def describe(error: BaseException) -> str:
    """The error in one line: its kind and what it says, redacted and at most 500 characters."""
    name = type(error).__name__
    if isinstance(error, ValidationError):
        faults = error.errors(include_url=False, include_context=False, include_input=False)[:5]
        said = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['type']}" for each in faults)
    elif isinstance(error, UnicodeError):
        said = error.reason if isinstance(error, UnicodeDecodeError | UnicodeEncodeError) else ""
    else:
        said = redact(str(error))
    said = " ".join(said.split())
    return f"{name}: {said[:MAX_MESSAGE]}" if said else name


def format_exception(info: ExcInfo) -> str:
    """The traceback of an error and of its causes: the last frames of each, without quoted data, bounded in size."""
    parts: list[str] = []
    error: BaseException | None = info[1]
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        frames = traceback.format_list(traceback.extract_tb(error.__traceback__, limit=-MAX_FRAMES))
        inner = (
            "".join(f"  | {describe(each)}\n" for each in error.exceptions[:5])
            if isinstance(error, BaseExceptionGroup)
            else ""
        )
        parts.append(f"Traceback (most recent call last):\n{''.join(frames)}{describe(error)}\n{inner}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    text = "\nThe above exception led to:\n\n".join(reversed(parts))
    if len(text) > MAX_TRACEBACK:
        # The end has the error itself, the beginning its cause.
        text = f"{text[: MAX_TRACEBACK // 3]}\n  …\n{text[-MAX_TRACEBACK * 2 // 3 :]}"
    return text.rstrip("\n")


def redact_event(_: Any, __: str, event: Any) -> Any:
    """A processor of structlog: errors become text, and no text quotes a person's data."""
    info = event.pop("exc_info", None)
    if info:
        error = info if isinstance(info, BaseException) else info[1] if isinstance(info, tuple) else sys.exc_info()[1]
        if error is not None:
            event["exception"] = format_exception((type(error), error, error.__traceback__))
    for name, value in event.items():
        if isinstance(value, BaseException):
            event[name] = describe(value)
        elif isinstance(value, str) and name != "exception":
            event[name] = redact(value)[:MAX_VALUE]
    return event
