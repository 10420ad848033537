"""A node is drained while events come due: pods leave by eviction, finish their work and come back elsewhere.

On a cluster of one node there is no other node: pods come back when the node takes pods again, and only the release is
drained, because PostgreSQL and the bus of `dependencies-dev.yaml` keep their data in their pods.
"""

import subprocess

from burst import Burst
from cluster import OURS, is_ready, items, kubectl, wait_until_rolled_out
from commands import run

EVENTS = 300


def test_no_event_is_lost_when_a_node_is_drained(clients: None) -> None:
    nodes = items("nodes", namespace="default")
    busy = [pod["spec"]["nodeName"] for pod in items("pods", f"{OURS},app.kubernetes.io/component=event-scheduler")]
    before = {pod["metadata"]["uid"] for pod in items("pods", OURS) if is_ready(pod)}
    burst = Burst("Drain", EVENTS, 120)
    selector = (
        [f"--pod-selector={OURS}"]
        if len(nodes) == 1
        else ["--pod-selector=app notin (postgres,emulator,receiver,client)"]
    )
    try:
        run("kubectl", "drain", busy[0], "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=10m", *selector)
        left = items("pods", OURS)
        moved = {pod["metadata"]["uid"] for pod in left if pod["spec"].get("nodeName") == busy[0]}
        assert not before & moved
    finally:
        subprocess.run(["kubectl", "uncordon", busy[0]], check=True)
    wait_until_rolled_out()
    burst.wait_until_delivered(600)
    kubectl("get", "pods", "-o", "wide")
