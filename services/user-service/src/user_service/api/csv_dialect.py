"""How the records of a CSV file are cut into values (RFC 4180, with the delimiters that spreadsheets write)."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

DELIMITERS = (",", ";", "\t")
MAX_VALUES = 1_000
"""Of a line. More are not cut: a line of 64 KiB can have as many."""

_QUOTED = re.compile(r'"[^"]*"?')


class LineError(ValueError):
    """A line that has no fields to speak of."""


@dataclass(frozen=True)
class Dialect:
    """Cuts lines at ``delimiter``. No value holds a line break, so that an open quote spoils its own line alone."""

    delimiter: str
    charset: str = "UTF-8"
    _record: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        value = f'(?:"[^"]*(?:""[^"]*)*"|[^"{self.delimiter}]*)'
        object.__setattr__(self, "_record", re.compile(f"{value}(?:{self.delimiter}{value})*"))

    @classmethod
    def of_header(cls, header: bytes, charset: str = "UTF-8") -> "Dialect":
        """Take the delimiter that the header has most of outside of quotes, a comma where it has none."""
        names = _QUOTED.sub("", header.decode(errors="replace"))
        return cls(max(DELIMITERS, key=names.count), charset)

    def is_blank(self, line: bytes) -> bool:
        """Whether a line has nothing but delimiters and spaces, as the empty rows below a spreadsheet's table have."""
        return not line.strip(b" \t\r" + self.delimiter.encode())

    def values(self, line: bytes) -> Sequence[str]:
        """The values of a line without spaces around them.

        Raises:
            LineError: not of the charset, too many values, or a quote that neither begins nor ends a value.
        """
        text = self._decoded(line)
        if text.count(self.delimiter) >= MAX_VALUES:
            raise LineError(f"must not have more than {MAX_VALUES} values")
        if '"' not in text:
            return [value.strip() for value in text.split(self.delimiter)]
        if self._record.fullmatch(text) is None:
            raise LineError("not CSV: a value with a quote is quoted as a whole, quotes in it are doubled, on one line")
        try:
            return [value.strip() for value in next(csv.reader([text], delimiter=self.delimiter, strict=True))]
        except csv.Error as error:
            raise LineError(f"not CSV: {error}; a value ends on its line") from None

    def _decoded(self, line: bytes) -> str:
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            place = f"byte {error.start + 1}"
            if self.charset.upper() != "UTF-8":  # the line has been transcoded, and has other bytes than the client's
                place = f"character {len(line[: error.start].decode()) + 1}"
            raise LineError(f"not {self.charset}: {place} of the line") from None
