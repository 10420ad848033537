"""Uninstalling leaves what docs/operations.md#uninstall names, and its commands remove that too."""

from pathlib import Path

from cluster import CLIENTS, NAMESPACE, OURS, RELEASE, items, kubectl
from commands import block, run, run_block, until

RUNBOOK = "docs/operations.md"
JOBS = tuple(f"{RELEASE}-{each}-migrate" for each in ("analytics", "delivery", "event", "user"))
LEFT = {
    *(f"jobs.batch/{each}" for each in (*JOBS, f"{RELEASE}-topology")),
    *(f"secrets/{RELEASE}-{each}-jobs" for each in ("analytics", "delivery", "event", "user")),
    f"serviceaccounts/{RELEASE}-jobs",
}


def _ours() -> set[str]:
    """What of the release is in the namespace, of every kind there is; pods of a Job are part of the Job."""
    kinds = run("kubectl", "api-resources", "--namespaced", "--verbs=list", "-o", "name").split()
    found = set()
    for kind in kinds:
        if kind.partition(".")[0] in ("events", "pods", "componentstatuses") or "metrics.k8s.io" in kind:
            continue
        found |= {f"{kind}/{each['metadata']['name']}" for each in items(kind, OURS)}
    return found


def test_uninstall_leaves_what_is_documented(tmp_path: Path) -> None:
    run_block(block(RUNBOOK, "helm -n almanac uninstall"), tmp_path)
    until(_ours, LEFT.__eq__, 300, interval=5)
    helm = [each["metadata"]["name"] for each in items("secrets") if each["type"] == "helm.sh/release.v1"]
    assert helm == []

    run_block(block(RUNBOOK, "kubectl -n almanac delete jobs,secrets,serviceaccounts"), tmp_path)
    until(_ours, set().__eq__, 300, interval=5)
    kubectl("delete", "namespace", NAMESPACE, CLIENTS, namespace="default")
