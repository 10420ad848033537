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


DOCUMENTED: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The rows, as the format says."}
}


class CsvResponse(Response):
    """A header and a line for each row, with the JSON's names."""

    media_type = "text/csv"

    def __init__(self, model: type[WireModel], rows: Iterable[WireModel]) -> None:
        names = [field.alias or name for name, field in model.model_fields.items()]
        out = io.StringIO()
        writer = csv.DictWriter(out, names, lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(row.model_dump(mode="json", by_alias=True) for row in rows)
        super().__init__(out.getvalue())
