"""Rows of a reply as CSV (RFC 4180), for spreadsheets."""

import csv
import io
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from fastapi import Response

from chassis.api.wire import WireModel


class Format(StrEnum):
    """How rows are answered."""

    JSON = "json"
    CSV = "csv"


NEXT_CURSOR = "Next-Cursor"
DOCUMENTED: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The rows, as the format says."}
}
DOCUMENTED_PAGE: dict[int | str, dict[str, Any]] = {
    200: {
        **DOCUMENTED[200],
        "headers": {NEXT_CURSOR: {"description": "`nextCursor`, of CSV.", "schema": {"type": "string"}}},
    }
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class CsvResponse(Response):
    """A header and a line for each row, with the JSON's names. ``next_cursor`` goes into a header."""

    media_type = "text/csv"

    def __init__(self, model: type[WireModel], rows: Iterable[WireModel], next_cursor: str | None = None) -> None:
        names = [field.alias or name for name, field in model.model_fields.items()]
        out = io.StringIO()
        writer = csv.DictWriter(out, names, lineterminator="\r\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({name: _cell(value) for name, value in row.model_dump(mode="json", by_alias=True).items()})
        super().__init__(out.getvalue(), headers={NEXT_CURSOR: next_cursor} if next_cursor else None)


def _cell(value: object) -> object:
    # A spreadsheet must not evaluate untrusted text as a formula.
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
