"""From an empty cluster to an event in Jaeger, by the commands of docs/how-to/go-to-production.md as they stand."""

import json
import os
import re
from pathlib import Path

import httpx
from cluster import OURS, deployments, is_ready, items, names
from commands import block, script, until

PAGE = "docs/how-to/go-to-production.md"
MINUTES = 60


def test_documented_commands_lead_from_an_empty_cluster_to_a_trace_in_jaeger(
    command_path: Path, tmp_path: Path
) -> None:
    environment = {"PATH": f"{command_path}:{os.environ['PATH']}"}
    with script(block(PAGE, "kubectl create namespace"), tmp_path, 40 * MINUTES, environment) as output:
        events = json.loads(output[output.rindex('{"items"') :])["items"]
        fired = [each for each in events if each["status"] != "PENDING"]
        assert len(fired) == 1, output
        (link,) = re.findall(r"Open (http://[\d.:]+) and search", Path(PAGE).read_text(encoding="utf-8"))
        query = {"service": "event-service", "tags": json.dumps({"event.id": fired[0]["id"]})}

        def spans() -> set[str]:
            found = httpx.get(f"{link}/api/traces", params=query, trust_env=False).json()["data"]
            return {span["operationName"] for trace in found for span in trace["spans"]}

        until(spans, {"fire BIRTHDAY", "publish bday-birthday-events", "process bday-events-critical"}.issubset, 90)


def test_every_pod_is_ready_and_none_was_restarted() -> None:
    assert len(deployments()) == 19  # seventeen roles, the collector and Jaeger
    for pod in items("pods", OURS):
        if pod["status"]["phase"] != "Succeeded":
            assert is_ready(pod), pod["metadata"]["name"]
            restarts = [each["restartCount"] for each in pod["status"]["containerStatuses"]]
            assert restarts == [0] * len(restarts), pod["metadata"]["name"]


def test_every_job_succeeded_at_once() -> None:
    jobs = items("jobs", OURS)
    assert len(jobs) == 5
    assert [each["status"].get("succeeded") for each in jobs] == [1] * len(jobs)
    assert all(not each["status"].get("failed") for each in jobs)


def test_every_service_has_an_endpoint() -> None:
    for name in names("services", OURS):
        slices = items("endpointslices", f"kubernetes.io/service-name={name}")
        ready = [end for each in slices for end in each.get("endpoints") or [] if end["conditions"]["ready"]]
        assert ready, name
