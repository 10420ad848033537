"""``/v1/exports``: for a warehouse."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any, Self

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import Field

from analytics_service.application.exports import export
from analytics_service.domain.exports import COLUMNS, Column, ColumnType, Dataset
from analytics_service.domain.grains import Grain
from chassis.api.auth import READ
from chassis.api.dependencies import CurrentClock, CurrentDatabase
from chassis.api.wire import Instant, WireModel

router = APIRouter(prefix="/v1/exports", tags=["exports"], dependencies=[READ])

MEDIA_TYPE = "application/vnd.apache.parquet"
_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
        "description": "A Parquet file. One that was cut short has no footer, and no reader takes it.",
    }
}


class ColumnBody(WireModel):
    """One column, as Parquet names it."""

    name: str
    type: ColumnType
    meaning: str

    @classmethod
    def of(cls, column: Column) -> Self:
        return cls(name=column.name, type=column.type, meaning=column.meaning)


class DatasetBody(WireModel):
    """What a file of this data set holds."""

    dataset: Dataset
    columns: list[ColumnBody]


class DatasetsBody(WireModel):
    """All there are. A column is never taken away or given another meaning; more may come."""

    datasets: list[DatasetBody] = Field(min_length=1)


@router.get("")
async def list_datasets() -> DatasetsBody:
    """The data sets and their columns."""
    return DatasetsBody(
        datasets=[
            DatasetBody(dataset=dataset, columns=[ColumnBody.of(each) for each in columns])
            for dataset, columns in COLUMNS.items()
        ]
    )


@router.get("/{dataset}", response_class=StreamingResponse, responses=_FILE)
async def get_export(
    database: CurrentDatabase,
    clock: CurrentClock,
    dataset: Dataset,
    grain: Annotated[Grain, Query(description="Of the sums; facts have none.")] = Grain.HOUR,
    start: Annotated[Instant | None, Query(alias="from", description="By default a day before `to`.")] = None,
    end: Annotated[
        Instant | None,
        Query(alias="to", description="By default a day after `from`, or the beginning of today in UTC."),
    ] = None,
) -> StreamingResponse:
    """A Parquet file of what happened, by default yesterday in UTC, at most 31 days at a time."""
    made = export(database, clock, dataset, grain, start, end)
    # An error before the first row is still a problem response.
    first = await anext(made.pieces)

    async def pieces() -> AsyncIterator[bytes]:
        # A client that disconnects releases the database connection.
        async with aclosing(made.pieces):
            yield first
            async for piece in made.pieces:
                yield piece

    disposition = f'attachment; filename="{made.name}"'
    return StreamingResponse(pieces(), media_type=MEDIA_TYPE, headers={"Content-Disposition": disposition})
