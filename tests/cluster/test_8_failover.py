"""The runbook of docs/failover.md in one cluster: a standby is promoted, the bus comes up empty, nothing is lost."""

import time
from pathlib import Path

from burst import Burst
from client import webhooks
from cluster import kubectl, wait_for_pods, wait_until_rolled_out
from commands import block, run_block, until

EVENTS = 2000
RUNBOOK = "docs/failover.md"
ALLOW_REPLICATION = """
echo "host replication all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
psql -U almanac -d postgres -c "SELECT pg_reload_conf()"
"""
CAUGHT_UP = """
SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn = pg_current_wal_lsn()
"""


def _psql(workload: str, statement: str) -> str:
    return kubectl("exec", workload, "--", "psql", "-U", "almanac", "-d", "postgres", "-Atc", statement).strip()


def test_promoted_standby_and_an_empty_bus_lose_no_event(clients: None, tmp_path: Path) -> None:
    kubectl("exec", "deploy/postgres", "--", "sh", "-euc", ALLOW_REPLICATION)
    kubectl("apply", "-f", "tests/cluster/pods/standby.yaml")
    wait_for_pods("almanac", "app=standby")
    burst = Burst("Failover", EVENTS, 240)
    until(lambda: _psql("deploy/postgres", CAUGHT_UP), "1".__eq__, 60, interval=0.2)

    time.sleep(max(0, burst.seconds_left()))
    until(webhooks, bool, 60, interval=0.1)
    # The region fails: databases, bus and pods at once, in the middle of the burst.
    kubectl("scale", "deploy/postgres", "deploy/emulator", "--replicas=0")
    for lost in ("app in (postgres, emulator)", "almanac/role in (api, background)"):
        kubectl("delete", "pod", "-l", lost, "--grace-period=0", "--force", "--wait=false")
    received = len(webhooks())
    assert received < EVENTS, "all webhooks were received before the region failed"
    print(f"{received} of {EVENTS} webhooks were received when the region failed")

    run_block(block(RUNBOOK, "--replicas=0").replace(" --context primary", ""), tmp_path)
    _psql("deploy/standby", "SELECT pg_promote()")
    kubectl("patch", "service", "postgres", "--patch", '{"spec": {"selector": {"app": "standby"}}}')
    kubectl("scale", "deploy/emulator", "--replicas=1")
    wait_for_pods("almanac", "app=emulator")
    run_block(block("docs/operations.md", "--reuse-values"), tmp_path, 1200)
    wait_until_rolled_out()
    run_block(block(RUNBOOK, "user_service replay"), tmp_path)

    got = burst.wait_until_delivered(900)
    print(f"{len(got)} events, {sum(got.values()) - len(got)} webhooks sent again with the same id")
