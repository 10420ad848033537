"""APIs scale with their CPU by a HorizontalPodAutoscaler, and workers with their queue by KEDA."""

import pytest
from burst import Burst
from client import Load
from cluster import NAMESPACE, has_api, kubectl, pods, upgrade
from commands import until

WORKER = "delivery-worker-critical"
EVENTS = 1000
SCALED_OBJECT = "scaledobject/almanac-delivery-worker-critical"
PAUSED = "autoscaling.keda.sh/paused-replicas"


def _count(component: str) -> int:
    return len(pods(component))


def test_api_gets_a_second_pod_under_load_and_gives_it_back(clients: None) -> None:
    if not has_api("metrics.k8s.io"):
        pytest.skip("the cluster has no metrics server")
    until(lambda: _count("user-api"), (1).__eq__, 600)
    with Load() as load:
        until(lambda: _count("user-api"), (2).__eq__, 300)
    assert load.errors == [], load.counts
    until(lambda: _count("user-api"), (1).__eq__, 900, interval=5)


def test_workers_scale_with_the_depth_of_their_queue(clients: None) -> None:
    if not has_api("keda.sh"):
        pytest.skip("the cluster has no KEDA")
    # KEDA is in a namespace of its own, where the emulator's short name has no address.
    endpoint = f"aws.endpointUrl=http://emulator.{NAMESPACE}:4566"
    upgrade("--set", "keda.enabled=true", "--set", "keda.pollingSeconds=5", "--set", endpoint)
    # Without a worker the messages of due events stay in the queue, as they would in a storm.
    kubectl("annotate", SCALED_OBJECT, f"{PAUSED}=0")
    until(lambda: _count(WORKER), (0).__eq__, 300)
    burst = Burst("Scaling", EVENTS, 90)
    until(burst.published, (EVENTS).__eq__, 300)
    kubectl("annotate", SCALED_OBJECT, f"{PAUSED}-")
    until(lambda: _count(WORKER), (2).__eq__, 300)
    burst.wait_until_delivered(600)
    until(lambda: _count(WORKER), (1).__eq__, 900, interval=5)
    upgrade()
