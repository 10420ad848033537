"""Requests to the APIs from a pod in the cluster, through their Services, and the webhooks that the receiver got."""

import json
import threading
from typing import Any

from cluster import CLIENTS, NAMESPACE, RELEASE, kubectl, wait_for_pods
from commands import until

KEY = "almanac-local"
RECEIVER = f"http://receiver.{CLIENTS}:8080/"
_PODS = "tests/cluster/pods"


def create_namespace(name: str) -> None:
    """Creates a namespace with the scripts that pods of the tests run."""
    kubectl("create", "namespace", name, namespace="default")
    kubectl(
        "create",
        "configmap",
        "scripts",
        f"--from-file={_PODS}/client.py",
        f"--from-file={_PODS}/receiver.py",
        namespace=name,
    )


def start_pods(namespace: str) -> None:
    """Starts a client and a receiver in a namespace, and waits until they are ready."""
    kubectl("apply", "-f", f"{_PODS}/pods.yaml", namespace=namespace)
    wait_for_pods(namespace, "app in (client, receiver)")


def _exec(asked: dict[str, Any], namespace: str, timeout: float = 120) -> Any:
    command = ("exec", "-i", "deploy/client", "--", "python", "/scripts/client.py")
    return json.loads(kubectl(*command, namespace=namespace, stdin=json.dumps(asked), timeout=timeout))


def request(
    method: str, url: str, body: Any = None, headers: dict[str, str] | None = None, namespace: str = CLIENTS
) -> dict[str, Any]:
    """Sends a request from the client's pod: its status (0: no connection) and its body as text."""
    sent = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}", **(headers or {})}
    text = body if body is None or isinstance(body, str) else json.dumps(body)
    answer: dict[str, Any] = _exec(
        {"call": "send", "method": method, "url": url, "headers": sent, "body": text}, namespace
    )
    return answer


def url(service: str, path: str) -> str:
    """The address of a service's API in the cluster."""
    return f"http://{RELEASE}-{service}-api.{NAMESPACE}{path}"


def read(address: str) -> Any:
    """Reads JSON. Raises AssertionError if the status is not 200 within a minute: a pod may just be starting."""
    answer = until(lambda: request("GET", address), lambda answer: bool(answer["status"] == 200), 60)
    return json.loads(answer["body"])


def get(service: str, path: str) -> Any:
    """Reads JSON from a service's API, as `read`."""
    return read(url(service, path))


def post(service: str, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
    """Posts to a service's API and returns its JSON. Raises AssertionError unless the status is 2xx."""
    answer = request("POST", url(service, path), body, headers)
    assert 200 <= answer["status"] < 300, f"{service} {path}: {answer}"
    return json.loads(answer["body"])


def webhooks() -> dict[str, int]:
    """How often the receiver got each `webhook-id`."""
    counts: dict[str, int] = read(RECEIVER)
    return counts


def reset_webhooks() -> None:
    """Empties the receiver's counts."""
    until(lambda: request("DELETE", RECEIVER)["status"], (200).__eq__, 60)


class Load:
    """A steady load on user-service's API while the context lasts: lists of users, and every fifth time a new user."""

    PER_SECOND = 20

    def __init__(self) -> None:
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        self._asked = {
            "call": "load",
            "url": url("user", "/v1/users"),
            "headers": headers,
            "per_second": self.PER_SECOND,
        }
        self.counts: dict[str, int] = {}
        self.errors: list[str] = []
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            answer = _exec(self._asked, CLIENTS, timeout=3600)
            self.counts, self.errors = answer["counts"], answer["errors"]
        except AssertionError as error:
            self.errors = [f"the load could not be made: {error}"]

    def __enter__(self) -> "Load":
        kubectl("exec", "deploy/client", "--", "rm", "-f", "/tmp/stop", namespace=CLIENTS)  # noqa: S108
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        kubectl("exec", "deploy/client", "--", "touch", "/tmp/stop", namespace=CLIENTS)  # noqa: S108
        self._thread.join()
