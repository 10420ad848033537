"""Facts and rollups as Parquet files, read back as a warehouse would."""

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pyarrow.parquet as pq
import pytest
from uuid_utils.compat import uuid7

from analytics_service.adapters import exports
from analytics_service.application.facts import record
from analytics_service.domain.exports import COLUMNS, Dataset
from analytics_service.domain.facts import EndpointResult, Fact, Kind, Measure
from analytics_service.settings import Settings
from chassis.service.runtime import Runtime

AT = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
DAY = {"from": "2026-11-23T00:00:00Z"}


def _fact(kind: Kind, at: datetime = AT, **more: Any) -> Fact:
    data = {"eventType": "BIRTHDAY", "priority": "CRITICAL", "userId": str(uuid4()), "attempt": 1, "late": False}
    values: dict[str, Any] = {
        "event_id": uuid4(), "event_type": "BIRTHDAY", "priority": 0,
        "data": json.dumps({**data, "targetTimestampUTC": AT.isoformat(), "latenessSeconds": 0.5}), **more,
    }  # fmt: skip
    return Fact(uuid7(), kind, at, "event-service", **values)


async def _table(client: httpx.AsyncClient, dataset: str, **params: str) -> Any:
    answer = await client.get(f"/v1/exports/{dataset}", params={**DAY, **params})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    return pq.read_table(io.BytesIO(answer.content))


async def test_facts_of_a_day_come_with_their_columns(client: httpx.AsyncClient, runtime: Runtime[Settings]) -> None:
    known = _fact(Kind.COMPLETED)
    await record(
        runtime.database,
        [
            known,
            _fact(Kind.PUBLISHED, AT + timedelta(days=1)),
            _fact(Kind.CANCELLED, data='{"reason": "user_deleted"}'),
        ],
    )
    rows = {row["kind"]: row for row in (await _table(client, "facts")).to_pylist()}
    assert rows.keys() == {"completed", "cancelled"}
    completed = rows["completed"]
    assert (completed["item_id"], completed["event_id"]) == (str(known.item_id), str(known.event_id))
    assert (completed["at"], completed["target_at"], completed["lateness_seconds"]) == (AT, AT, 0.5)
    assert (completed["priority"], completed["attempt"], completed["late"]) == ("CRITICAL", 1, False)
    assert json.loads(completed["data"])["userId"] == completed["user_id"]
    assert (rows["cancelled"]["reason"], rows["cancelled"]["attempt"]) == ("user_deleted", None)


async def test_sums_come_by_the_grain_that_is_asked_for(client: httpx.AsyncClient, runtime: Runtime[Settings]) -> None:
    results = (EndpointResult(UUID(int=7), "webhook", "succeeded", 2, 0.3),)
    facts = [
        *(
            _fact(Kind.COMPLETED, AT + timedelta(minutes=index), latencies=((Measure.END_TO_END, 0.2),))
            for index in (0, 1)
        ),
        _fact(Kind.DELIVERY_SUCCEEDED, endpoints=results),
    ]
    await record(runtime.database, facts)
    hours = (await _table(client, "counts")).to_pylist()
    assert [(row["grain"], row["start"].hour, row["kind"], row["count"]) for row in hours] == [
        ("hour", 14, "completed", 2), ("hour", 14, "delivery_succeeded", 1),
    ]  # fmt: skip
    minutes = (await _table(client, "latencies", grain="minute")).to_pylist()
    assert [(row["start"].minute, row["measure"], row["count"]) for row in minutes] == [
        (30, "end_to_end", 1), (31, "end_to_end", 1),
    ]  # fmt: skip
    (result,) = (await _table(client, "endpoint_results", grain="day")).to_pylist()
    assert (result["endpoint_id"], result["attempts"], result["count"]) == (str(UUID(int=7)), 2, 1)


async def test_a_file_grows_by_row_groups_and_an_empty_one_has_its_columns(
    client: httpx.AsyncClient, runtime: Runtime[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "ROW_GROUP", 4)
    await record(runtime.database, [_fact(Kind.SCHEDULED) for _ in range(10)])
    answer = await client.get("/v1/exports/facts", params=DAY)
    assert answer.headers["content-disposition"].endswith(
        'filename="almanac-facts-20261123T000000Z-20261124T000000Z.parquet"'
    )
    file = pq.ParquetFile(io.BytesIO(answer.content))
    assert (file.metadata.num_rows, file.metadata.num_row_groups) == (10, 3)
    empty = await _table(client, "facts", to="2026-11-23T00:01:00Z")
    assert (empty.num_rows, empty.column_names) == (0, [each.name for each in COLUMNS[Dataset.FACTS]])


async def test_export_columns_are_listed(client: httpx.AsyncClient) -> None:
    told = {each["dataset"]: each["columns"] for each in (await client.get("/v1/exports")).json()["datasets"]}
    assert told.keys() == {"facts", "counts", "latencies", "endpoint_results"}
    assert told["counts"][0] == {"name": "grain", "type": "text", "meaning": "minute, hour or day"}


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("/v1/exports/facts?from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z", 422, "from"),
        ("/v1/exports/facts?from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", 422, "from"),
        ("/v1/exports/people", 422, "dataset"),
    ],
)
async def test_invalid_export_is_a_problem(client: httpx.AsyncClient, path: str, status: int, field: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (status, field)
    assert (await client.get(path, headers={"Authorization": "Bearer writer"})).status_code == 403
