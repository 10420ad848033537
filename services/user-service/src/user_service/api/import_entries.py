"""A line of an import as a user, validated by the rules of ``POST /v1/users``, or its errors."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any
from unicodedata import normalize

from pydantic import ValidationError

from chassis.api.fault_limits import MAX_FAULTS
from chassis.api.intake import has_many_values
from chassis.api.problems import MAX_FAULT_BYTES, MAX_FIELD_BYTES, shortened
from chassis.core.errors import broken_rule
from chassis.imports.lines import MAX_LINE_BYTES, LineReader
from contracts.wire import wire_name
from user_service.api.csv_dialect import Dialect, LineError
from user_service.api.schemas import CreateUser
from user_service.domain.anniversaries import MAX_ANNIVERSARIES
from user_service.domain.errors import ImportBodyChangedError, ImportHeaderError
from user_service.domain.imports import Batch, Entry, Fault, Mark
from user_service.domain.user import MAX_TAGS, NewUser

MAX_LINE_VALUES = 1_000
"""JSON values of a line. A user with all that one may have has a hundred; a line of 64 KiB can have 30,000."""

Parse = Callable[[bytes], NewUser]
"""Raises ValidationError or LineError."""

_NESTED = ("anniversaries", "send_window")
"""Fields that are no single value, and so no column of CSV."""
_COLUMNS = {wire_name(name): field for name, field in CreateUser.model_fields.items() if name not in _NESTED}
REQUIRED_COLUMNS = tuple(name for name, field in _COLUMNS.items() if field.is_required())
OPTIONAL_COLUMNS = tuple(name for name, field in _COLUMNS.items() if not field.is_required())
_FIELDS = {wire_name(name): name for name in CreateUser.model_fields}
ANNIVERSARY = "anniversary:"
"""How the column of the dates of an anniversary begins; its label follows."""
_EXPECTED = f"{','.join(REQUIRED_COLUMNS)}, and any of {','.join(OPTIONAL_COLUMNS)},{ANNIVERSARY}<label>"


def parse_json(line: bytes) -> NewUser:
    """One JSON object. What it does not name stays as it is, where the user is there already."""
    if has_many_values(line, MAX_LINE_VALUES):
        raise LineError(f"must not have more than {MAX_LINE_VALUES} values")
    return CreateUser.model_validate_json(line).new_user()


def dialect_of(header: bytes | None, charset: str) -> Dialect:
    """How the file with this first line is cut into values. Raises ImportHeaderError for a line that is too long."""
    if header is None:
        raise ImportHeaderError(f"the first line is longer than {MAX_LINE_BYTES} bytes; it should be {_EXPECTED}")
    return Dialect.of_header(header, charset)


def csv_parser(header: bytes | None, dialect: Dialect) -> Parse:
    """How to read the lines under ``header``.

    Raises:
        ImportHeaderError
    """
    columns = _columns(header or b"", dialect)
    optional = frozenset(columns).difference(REQUIRED_COLUMNS)
    labels = frozenset(label for column in columns if (label := _label(column)) is not None)
    # An empty value says something too: that there is none.
    given = frozenset(_FIELDS["anniversaries" if _label(column) is not None else column] for column in columns)

    def parse(line: bytes) -> NewUser:
        values = dialect.values(line)
        # Spreadsheets end lines with empty values for columns that have no name.
        if len(values) < len(columns) or any(values[len(columns) :]):
            raise LineError(f"{len(values)} values where the header names {len(columns)} columns")
        user: dict[str, Any] = {
            name: value for name, value in zip(columns, values, strict=False) if value or name not in optional
        }
        if tags := user.get("tags"):
            user["tags"] = [tag.strip() for tag in tags.split(";", MAX_TAGS + 1)]
        if labels:
            dates = {column: user.pop(column) for column in tuple(user) if _label(column) is not None}
            user["anniversaries"] = [{"label": _label(column), "date": date} for column, date in dates.items()]
        return CreateUser.model_validate(user).new_user(given=given, labels=labels)

    return parse


def _columns(header: bytes, dialect: Dialect) -> Sequence[str]:
    try:
        # In NFC as the labels of anniversaries are kept.
        columns = [normalize("NFC", name) for name in dialect.values(header)]
    except LineError as error:
        raise ImportHeaderError(f"{error}; it should be {_EXPECTED}") from None
    while columns and not columns[-1]:
        columns.pop()
    twice = sorted({name for name in columns if columns.count(name) > 1})
    faults = [
        *(f"{name!r:.60} is not a column" for name in columns if name not in _COLUMNS and _label(name) is None),
        *(f"{name:.60} is there twice" for name in twice if name in _COLUMNS or _label(name) is not None),
        *(f"{name} is missing" for name in REQUIRED_COLUMNS if name not in columns),
    ]
    anniversaries = sum(_label(name) is not None for name in columns)
    if anniversaries > MAX_ANNIVERSARIES:
        faults.append(f"at most {MAX_ANNIVERSARIES} columns of anniversaries, there are {anniversaries}")
    if faults:
        raise ImportHeaderError(f"{'; '.join(faults[:MAX_FAULTS])}; it should be {_EXPECTED}")
    return columns


def _label(column: str) -> str | None:
    """The label that a column has the dates of; None of another column."""
    return column.removeprefix(ANNIVERSARY).strip() if column.startswith(ANNIVERSARY) else None


def is_space(line: bytes) -> bool:
    """Whether a line has nothing but spaces."""
    return not line.strip()


async def read_entries(
    reader: LineReader[Mark], mark: Mark, parse: Parse, is_blank: Callable[[bytes], bool] = is_space
) -> AsyncIterator[Batch]:
    """All that comes behind ``mark``, blank lines left out.

    Raises:
        ImportBodyChangedError: the text before it differs from the part read before.
        ImportInterruptedError: see LineReader.
    """
    if not await reader.skip_to(mark):
        raise ImportBodyChangedError(f"the first {mark.position} bytes are not those of the request before")
    async for batch in reader.batches():
        numbered = enumerate(batch.lines, batch.first)
        entries = [_entry(number, line, parse) for number, line in numbered if line is None or not is_blank(line)]
        yield Batch(entries, batch.mark)


def _entry(number: int, line: bytes | None, parse: Parse) -> Entry:
    if line is None:
        return Entry(number, (Fault("line", f"longer than {MAX_LINE_BYTES} bytes"),))
    try:
        return Entry(number, parse(line))
    except ValidationError as error:
        return Entry(number, _faults(error))
    except LineError as error:
        return Entry(number, (Fault("line", str(error)),))


def _faults(error: ValidationError) -> tuple[Fault, ...]:
    return tuple(
        Fault(
            shortened(".".join(map(str, each["loc"])) or "line", MAX_FIELD_BYTES),
            shortened(broken_rule(str(each["msg"])), MAX_FAULT_BYTES),
        )
        for each in error.errors(include_url=False, include_context=False, include_input=False)[:MAX_FAULTS]
    )
