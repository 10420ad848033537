"""Pods of every role are killed while 2,000 events come due: each event is delivered, and none twice in effect."""

import time

from burst import Burst, create_endpoint
from client import get, webhooks
from cluster import deployments, kubectl, pods, upgrade, wait_until_rolled_out
from commands import until

EVENTS = 2000
LEAD_SECONDS = 240
RECOVERY_SECONDS = 900
KILLED_FIRST = ("event-scheduler", "delivery-worker-critical", "event-relay", "delivery-relay", "event-consumer")


def test_no_event_is_lost_or_repeated_while_pods_of_every_role_are_killed(clients: None) -> None:
    upgrade()
    create_endpoint()
    completed = get("analytics", "/v1/metrics/overview")["totals"]["completed"]
    roles = [each["metadata"]["labels"]["app.kubernetes.io/component"] for each in deployments()]
    roles = sorted((each for each in roles if each not in ("collector", "jaeger")), key=_order)
    burst = Burst("Kills", EVENTS, LEAD_SECONDS)

    time.sleep(max(0, burst.seconds_left()))
    until(webhooks, bool, 60)
    for number, role in enumerate(roles):
        for pod in pods(role):
            kubectl("delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force", "--wait=false")
        if number == len(KILLED_FIRST) - 1:
            before = len(webhooks())
            assert before < EVENTS, "all webhooks were received before the pods of the pipeline were killed"
            print(f"{before} of {EVENTS} webhooks were received when the pods of {KILLED_FIRST} had been killed")

    got = burst.wait_until_delivered(RECOVERY_SECONDS)
    print(f"{len(got)} events, {sum(got.values()) - len(got)} webhooks sent again with the same id")
    wait_until_rolled_out()
    until(lambda: get("analytics", "/v1/metrics/overview")["totals"]["completed"], (completed + EVENTS).__eq__, 300)


def _order(role: str) -> tuple[int, str]:
    return (KILLED_FIRST.index(role) if role in KILLED_FIRST else len(KILLED_FIRST), role)
