"""The users of a demo, as a CSV file says them."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

REQUIRED = ("firstName", "lastName", "dateOfBirth", "timezone")
OPTIONAL = ("deliveryTime",)


class RosterError(Exception):
    """The file cannot be used as a whole; the message is one line."""


@dataclass(frozen=True)
class Row:
    """A line of the file: its number (of the first line where it spans several), its fields, or why it has none."""

    line: int
    fields: dict[str, str]
    fault: str | None = None


def read_roster(path: Path) -> list[Row]:
    """Read a CSV file: UTF-8, BOM or none, any line ends, quotes; blank lines are skipped. Raises RosterError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return list(_rows(lines))
    except OSError as error:
        raise RosterError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RosterError(f"{path} is not UTF-8 (byte {error.start})") from error
    except RosterError as error:
        raise RosterError(f"{path}: {error}") from error


def _rows(lines: Iterable[str]) -> Iterator[Row]:
    reader = csv.reader(lines, strict=True)
    header: list[str] | None = None
    line = 1
    try:
        for values in reader:
            if header is None and any(values):
                header = _header(values)
            elif header is not None and any(value.strip() for value in values):
                yield _row(line, header, values)
            line = reader.line_num + 1
    except csv.Error as error:
        raise RosterError(f"line {reader.line_num}: {error}") from error
    if header is None:
        raise RosterError(f"empty; the first line should be {','.join(REQUIRED + OPTIONAL)}")


def _header(values: list[str]) -> list[str]:
    header = [value.strip() for value in values]
    if len(set(header)) < len(header) or not set(REQUIRED) <= set(header) <= {*REQUIRED, *OPTIONAL}:
        expected = f"{','.join(REQUIRED)}[,{','.join(OPTIONAL)}]"
        raise RosterError(f"the header is {','.join(header)!r:.120} and should be {expected}")
    return header


def _row(line: int, header: list[str], values: list[str]) -> Row:
    given = dict(zip(header, values, strict=False))
    missing = [name for name in header[len(values) :] if name not in OPTIONAL]
    if missing or len(values) > len(header):
        return Row(line, given, fault=f"{len(values)} fields where the header has {len(header)}")
    return Row(line, {name: value for name, value in given.items() if value or name in REQUIRED})
