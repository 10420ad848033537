"""What the running services export is what docs/metrics.md says."""

import httpx
import pytest
from metrics_table import EVERY_ROLE, ROWS
from prometheus_client.parser import text_string_to_metric_families

from testkit.full_stack import People, RunningStack, due_in

pytestmark = pytest.mark.xdist_group("stack")

OF_HISTOGRAMS = {"le"}


async def test_each_exported_metric_has_the_type_and_labels_that_the_table_says(
    almanac: RunningStack, http: httpx.AsyncClient, people: People
) -> None:
    await people.is_greeted(await people.create(**due_in(3)))
    rows = {row.name: row for row in ROWS}
    seen: set[str] = set()
    urls = {"user": almanac.user, "event": almanac.event, "delivery": almanac.delivery, "analytics": almanac.analytics}
    for service, url in urls.items():
        for family in text_string_to_metric_families((await http.get(f"{url}/metrics")).text):
            if not family.name.startswith("almanac_"):
                continue
            row = rows[f"{family.name}_total" if family.type == "counter" else family.name]
            assert row.kind == family.type, row
            assert row.exported_by == EVERY_ROLE or service in row.roles, (service, row)
            for sample in family.samples:
                labels = {name for name in sample.labels if not name.startswith("otel_")} - OF_HISTOGRAMS
                assert labels == row.labels, (sample, row)
            seen.add(row.name)
    assert len(seen) > 30
