"""docs/metrics.md lists every metric that the code creates, and nothing else."""

import re
from collections import Counter
from typing import Any

import pytest
from instruments import Instrument, instruments
from metrics_table import EVERY_ROLE, ROWS

import analytics_service.main
import delivery_service.main
import event_service.main
import user_service.main
from chassis.service.service import Service

SERVICES: dict[str, Service[Any]] = {
    "user": user_service.main.SERVICE,
    "event": event_service.main.SERVICE,
    "delivery": delivery_service.main.SERVICE,
    "analytics": analytics_service.main.SERVICE,
}


@pytest.fixture(scope="module")
def created() -> list[Instrument]:
    return list(instruments())


def test_every_metric_is_in_the_table_and_every_row_is_a_metric(created: list[Instrument]) -> None:
    assert len(created) > 40
    assert Counter(each.exported for each in created).most_common(1)[0][1] == 1, "one place creates a metric"
    assert [row.name for row in ROWS] == sorted(each.exported for each in created)


def test_the_table_says_type_unit_and_meaning_as_the_code_does(created: list[Instrument]) -> None:
    rows = {row.name: row for row in ROWS}
    for each in created:
        row = rows[each.exported]
        assert row.kind == each.kind, each
        assert row.unit == ("seconds" if each.unit == "s" else each.unit or "–"), each
        assert row.says == each.says or each.says is None, each


def test_names_follow_the_convention(created: list[Instrument]) -> None:
    for each in created:
        assert re.fullmatch(r"almanac(_[a-z]+)+", each.name), each
        assert not each.name.endswith(("_total", "_seconds")), "the exporter says so by itself"
        assert each.unit in ("", "s"), each
        assert each.kind != "histogram" or each.unit == "s", each


def test_exporter_of_every_metric_is_an_existing_role() -> None:
    for row in ROWS:
        if row.exported_by == EVERY_ROLE:
            continue
        for service, roles in row.roles.items():
            assert roles <= set(SERVICES[service].role_names), row
