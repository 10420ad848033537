"""Network policies allow the documented callers and destinations and nothing else, where the CNI enforces them."""

import json
from collections.abc import Iterator

import pytest
from client import create_namespace, request, start_pods, url
from cluster import NAMESPACE, RELEASE, kubectl
from commands import until

STRANGERS = "strangers"
DENY_ALL = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "deny-all"},
    "spec": {"podSelector": {"matchLabels": {"app": "receiver"}}, "policyTypes": ["Ingress"]},
}
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"


@pytest.fixture(scope="module", autouse=True)
def strangers(clients: None) -> Iterator[None]:
    """A namespace whose pods may not call the APIs, in a cluster that enforces network policies."""
    create_namespace(STRANGERS)
    try:
        start_pods(STRANGERS)
        address = f"http://receiver.{STRANGERS}:8080/"
        assert request("GET", address, namespace=STRANGERS)["status"] == 200
        kubectl("apply", "-f", "-", namespace=STRANGERS, stdin=json.dumps(DENY_ALL))
        if not _is_refused_soon(address):
            pytest.skip("the cluster's network does not enforce network policies: a pod was reached that denies all")
        yield
    finally:
        kubectl("delete", "namespace", STRANGERS, "--wait=false", namespace="default")


def _is_refused_soon(address: str) -> bool:
    try:
        until(lambda: request("GET", address, namespace=STRANGERS)["status"], (0).__eq__, 30)
    except AssertionError:
        return False
    return True


def _reaches(component: str, host: str, port: int) -> bool:
    command = ("exec", f"deploy/{RELEASE}-{component}", "--", "python", "-c", CONNECT, host, str(port))
    try:
        kubectl(*command)
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("service", ["user", "event", "delivery", "analytics"])
def test_api_answers_the_ingress_namespace_alone(service: str) -> None:
    assert request("GET", url(service, "/v1/status"))["status"] == 200
    assert request("GET", url(service, "/v1/status"), namespace=STRANGERS)["status"] == 0


def test_background_roles_are_closed_to_callers() -> None:
    address = f"http://{RELEASE}-event-scheduler.{NAMESPACE}/metrics"
    assert request("GET", address)["status"] == 0


def test_roles_reach_their_data_stores_and_not_the_api_server() -> None:
    for component in ("user-api", "event-scheduler", "delivery-worker-critical", "analytics-consumer"):
        assert _reaches(component, "postgres", 5432), component
        assert _reaches(component, "emulator", 4566), component
        assert not _reaches(component, "kubernetes.default", 443), component


def test_only_roles_that_ask_other_services_reach_them() -> None:
    assert _reaches("analytics-console", f"{RELEASE}-user-api", 80)
    assert not _reaches("event-scheduler", f"{RELEASE}-user-api", 80)
