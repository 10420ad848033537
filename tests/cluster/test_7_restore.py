"""The runbook of docs/operations.md#restore-from-a-backup, on databases that are older than the sent webhooks."""

from pathlib import Path

from burst import Burst
from cluster import OURS, deployments, is_ready, items, kubectl, wait_until_rolled_out
from commands import ROOT, block, run_block, until
from images import SERVICES

EVENTS = 300
RUNBOOK = "docs/operations.md"
DATABASES = tuple(each.replace("-", "_") for each in SERVICES if (ROOT / "services" / each / "migrations").exists())


def _in_postgres(script: str) -> None:
    kubectl("exec", "svc/postgres", "--", "sh", "-euc", script, timeout=600)


def test_restore_by_the_runbook_keeps_webhook_ids_and_scales_everything_up_again(clients: None, tmp_path: Path) -> None:
    burst = Burst("Restore", EVENTS, 120)
    for each in DATABASES:
        _in_postgres(f"pg_dump -U almanac -Fc -f /tmp/{each}.dump {each}")
    first = burst.wait_until_delivered(600)

    run_block(block(RUNBOOK, "wait --for=delete pod"), tmp_path)
    running = [pod for pod in items("pods", f"{OURS},almanac/role in (api, background)") if is_ready(pod)]
    assert running == []
    paused = [each["status"]["conditions"] for each in items("horizontalpodautoscalers", OURS)]
    assert all(any(each["reason"] == "ScalingDisabled" for each in conditions) for conditions in paused), paused
    for each in DATABASES:
        _in_postgres(f"dropdb -U almanac --force {each}; createdb -U almanac {each}")
        _in_postgres(f"pg_restore -U almanac -d {each} /tmp/{each}.dump")

    run_block(block(RUNBOOK, "--reuse-values"), tmp_path, 1200)
    wait_until_rolled_out()
    assert all(each["status"].get("readyReplicas", 0) >= 1 for each in deployments())
    run_block(block(RUNBOOK, "user_service replay"), tmp_path)

    again = until(lambda: burst.wait_until_delivered(600), lambda got: min(got.values()) > 1, 600)
    assert set(again) == set(first), "an event was sent under another id"
