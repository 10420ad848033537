"""The cluster, by kubectl and helm."""

import json
from typing import Any

from commands import run, until

NAMESPACE = "almanac"
RELEASE = "almanac"
CLIENTS = "ingress"
"""The namespace whose pods may call the APIs: `networkPolicy.ingressNamespace` of the chart."""
CHART = "deploy/k8s/almanac"
PROFILE = f"{CHART}/values-dev.yaml"
TEST_VALUES = "tests/cluster/values.yaml"
OURS = f"app.kubernetes.io/instance={RELEASE}"


def kubectl(*arguments: str, namespace: str = NAMESPACE, stdin: str | None = None, timeout: float = 600) -> str:
    """Runs kubectl in a namespace and returns its standard output."""
    return run("kubectl", "-n", namespace, *arguments, stdin=stdin, timeout=timeout)


def items(kind: str, selector: str = "", namespace: str = NAMESPACE) -> list[dict[str, Any]]:
    """Returns the objects of a kind."""
    chosen = ("-l", selector) if selector else ()
    found: list[dict[str, Any]] = json.loads(kubectl("get", kind, *chosen, "-o", "json", namespace=namespace))["items"]
    return found


def names(kind: str, selector: str = "", namespace: str = NAMESPACE) -> list[str]:
    """Returns the names of the objects of a kind."""
    return sorted(each["metadata"]["name"] for each in items(kind, selector, namespace))


def pods(component: str) -> list[dict[str, Any]]:
    """Returns the pods of a component that are not on their way out."""
    found = items("pods", f"{OURS},app.kubernetes.io/component={component}")
    return [each for each in found if "deletionTimestamp" not in each["metadata"]]


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether a pod takes requests."""
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"


def deployments() -> list[dict[str, Any]]:
    """Returns the release's Deployments."""
    return items("deployments", OURS)


def wait_until_rolled_out(seconds: float = 600) -> None:
    """Waits until every Deployment of the release has all of its pods, of its newest version, and ready."""
    for each in deployments():
        kubectl(
            "rollout",
            "status",
            f"deployment/{each['metadata']['name']}",
            f"--timeout={seconds:g}s",
            timeout=seconds + 30,
        )


def upgrade(*options: str, wait: bool = True) -> str:
    """Runs `helm upgrade` of the profile `dev` with the values of these tests."""
    waiting = ("--wait", "--timeout", "15m") if wait else ()
    return run(
        "helm",
        "-n",
        NAMESPACE,
        "upgrade",
        RELEASE,
        CHART,
        "-f",
        PROFILE,
        "-f",
        TEST_VALUES,
        *options,
        *waiting,
        timeout=1000,
    )


def has_api(group: str) -> bool:
    """Whether the API server serves a group, such as `keda.sh`."""
    served: dict[str, Any] = json.loads(run("kubectl", "get", "--raw", "/apis"))
    return any(each["name"] == group for each in served["groups"])


def wait_for_pods(namespace: str, selector: str, seconds: float = 300) -> None:
    """Waits until the pods of a selector are there and ready."""
    until(
        lambda: items("pods", selector, namespace),
        lambda found: bool(found) and all(map(is_ready, found)),
        seconds,
    )


def database(service: str, statement: str) -> list[str]:
    """Runs a statement in a service's database and returns its rows, one line each, columns separated by `|`."""
    printed = kubectl(
        "exec", "svc/postgres", "--", "psql", "-U", "almanac", "-d", service, "-v", "ON_ERROR_STOP=1", "-Atc", statement
    )
    return printed.splitlines()
