"""What a platform team must be able to say of pods, networks and the way in; each value is rendered."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from almanac_chart import CHART, manifests, merged, profile_values, render
from jsonschema import Draft7Validator

from console.pages import PAGES

helm = pytest.importorskip("helm_python", reason="`make test-deploy` installs it")

PODS = ("Deployment", "Job")
DIGEST = f"sha256:{'0' * 64}"
LONG_RELEASE = "greetings-of-the-marketing-department-in-production"


def _of_kind(kind: str, values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in manifests(dict(values)) if each["kind"] == kind}


def _own_pods(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: each["spec"]["template"] for kind in PODS for name, each in _of_kind(kind, values).items()}


def test_images_are_pinned_by_digest() -> None:
    images = [
        pod["spec"]["containers"][0]["image"]
        for name, pod in _own_pods({"image": {"tag": "1.2.3", "digests": {"user": DIGEST}}}).items()
        if name.startswith("almanac-user-")
    ]
    assert set(images) == {f"ghcr.io/almanac/user-service:1.2.3@{DIGEST}"}


def test_pods_and_jobs_carry_what_a_platform_wants_of_every_pod() -> None:
    affinity: dict[str, Any] = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}
    wanted: dict[str, Any] = {
        "labels": {"team": "greetings"},
        "annotations": {"sidecar": "no"},
        "affinity": affinity,
        "envFrom": [{"configMapRef": {"name": "proxies"}}],
        "volumes": [{"name": "bundle", "configMap": {"name": "rds-bundle"}}],
        "volumeMounts": [{"name": "bundle", "mountPath": "/bundle", "readOnly": True}],
    }
    pods = _own_pods({"pod": wanted, "jobs": {"cpu": "50m", "memory": "512Mi"}})
    assert len(pods) > 20
    for name, pod in pods.items():
        [container] = pod["spec"]["containers"]
        assert pod["metadata"]["labels"]["team"] == "greetings", name
        assert pod["metadata"]["annotations"]["sidecar"] == "no", name
        assert pod["spec"]["affinity"] == affinity, name
        assert {"configMapRef": {"name": "proxies"}} in container["envFrom"], name
        assert wanted["volumes"][0] in pod["spec"]["volumes"], name
        assert wanted["volumeMounts"][0] in container["volumeMounts"], name
        if "migrate" in name or "topology" in name:
            assert container["resources"] == {
                "requests": {"cpu": "50m", "memory": "512Mi"},
                "limits": {"memory": "512Mi"},
            }


def test_service_accounts_carry_annotations_beside_their_role() -> None:
    arn = "arn:aws:iam::000000000000:role/user"
    accounts = _of_kind(
        "ServiceAccount",
        {
            "services": {"user": {"roleArn": arn, "annotations": {"team": "greetings"}}},
            "jobs": {"annotations": {"team": "platform"}},
        },
    )
    assert accounts["almanac-user"]["metadata"]["annotations"] == {
        "eks.amazonaws.com/role-arn": arn,
        "team": "greetings",
    }
    assert accounts["almanac-jobs"]["metadata"]["annotations"]["team"] == "platform"


def test_networks_are_opened_by_value() -> None:
    policies = _of_kind(
        "NetworkPolicy",
        {
            "networkPolicy": {
                "ingressCidrs": ["10.0.0.0/22"],
                "dnsCidrs": ["172.20.0.10/32"],
                "podIdentity": True,
                "extraEgress": [{"cidrs": ["10.9.0.0/16", "fd00:9::/64"], "ports": [443, 8443]}],
            }
        },
    )
    specs = {name: each["spec"] for name, each in policies.items()}
    assert {"ipBlock": {"cidr": "10.0.0.0/22"}} in specs["almanac-callers"]["ingress"][0]["from"]
    assert {"ipBlock": {"cidr": "172.20.0.10/32"}} in specs["almanac-dns"]["egress"][0]["to"]
    [identity] = specs["almanac-pod-identity"]["egress"]
    assert [each["ipBlock"]["cidr"] for each in identity["to"]] == ["169.254.170.23/32", "fd00:ec2::23/128"]
    assert identity["ports"] == [{"protocol": "TCP", "port": 80}]
    [extra] = specs["almanac-extra-egress-0"]["egress"]
    assert [each["ipBlock"]["cidr"] for each in extra["to"]] == ["10.9.0.0/16", "fd00:9::/64"]
    assert [each["port"] for each in extra["ports"]] == [443, 8443]
    assert "almanac-pod-identity" not in _of_kind("NetworkPolicy", {})


def test_names_of_a_long_release_fit_and_differ_by_release() -> None:
    def names(release: str) -> set[str]:
        with helm.Chart.load(CHART) as chart:
            files = chart.render(
                merged(profile_values("1m"), {"pgbouncer": {"enabled": False}, "keda": {"enabled": True}}),
                name=release,
                namespace="almanac",
            )
        return {
            (f"keda-hpa-{each['metadata']['name']}" if each["kind"] == "ScaledObject" else each["metadata"]["name"])
            for path, text in files.items()
            if path.endswith(".yaml")
            for each in yaml.safe_load_all(text)
            if isinstance(each, dict) and "metadata" in each
        }

    long, other = names(LONG_RELEASE), names(f"{LONG_RELEASE}-2")
    assert max(map(len, long)) <= 63
    assert len(long) == len(names("almanac"))
    ours = {each for each in long if "greetings" in each}
    assert len(ours) > 40
    assert not ours & other


@pytest.mark.parametrize("route", ["Ingress", "HTTPRoute"])
def test_the_world_reaches_apis_and_pages_and_no_metrics(route: str) -> None:
    values = {
        "ingress": {"enabled": True, "tlsSecret": "tls"},
        "gateway": {"enabled": True, "parents": [{"name": "public", "namespace": "gateways"}]},
    }
    reached: dict[str, set[tuple[str, str]]] = {}
    for each in _of_kind(route, values).values():
        if route == "Ingress":
            assert {host for tls in each["spec"]["tls"] for host in tls["hosts"]} == {
                f"{service}.almanac.example" for service in ("user", "event", "delivery", "analytics")
            }
            for rule in each["spec"]["rules"]:
                reached[rule["host"]] = {(path["pathType"], path["path"]) for path in rule["http"]["paths"]}
        else:
            assert each["spec"]["parentRefs"] == values["gateway"]["parents"]
            reached[each["spec"]["hostnames"][0]] = {
                (match["path"]["type"].removeprefix("Path"), match["path"]["value"])
                for rule in each["spec"]["rules"]
                for match in rule["matches"]
            }
    apis = {("Prefix", "/v1"), ("Prefix", "/docs"), ("Prefix", "/openapi.json")}
    pages = {f"/{page.path.split('/')[1]}" for page in PAGES} - {"/"}
    console = pages | {"/assets", "/favicon.ico", "/login", "/logout", "/_nicegui", "/_nicegui_ws"}
    assert reached.pop("analytics.almanac.example") == apis | {("Exact", "/")} | {("Prefix", path) for path in console}
    assert set(map(frozenset, reached.values())) == {frozenset(apis)}
    assert len(reached) == 3


def test_values_of_the_console_from_its_time_as_a_role_of_analytics_service_still_hold() -> None:
    role = "arn:aws:iam::123456789012:role/analytics"
    values = {
        "components": {"analytics-console": {"memory": "640Mi", "connections": 2, "env": {"API_PORT": "8000"}}},
        "services": {
            "analytics": {
                "env": {"CONSOLE_SESSION_HOURS": "8"},
                "annotations": {"team": "ops"},
                "roleArn": role,
            }
        },
    }
    deployment = _of_kind("Deployment", values)["almanac-analytics-console"]
    # Immutable in a cluster: an upgrade updates the Deployment that is there.
    assert deployment["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"] == "analytics-console"
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    environment = {each["name"]: each for each in container["env"]}
    assert len(environment) == len(container["env"])
    assert environment["CONSOLE_SESSION_HOURS"]["value"] == "8"
    secret = environment["API_KEYS"]["valueFrom"]["secretKeyRef"]
    assert (secret["name"], secret["key"], secret["optional"]) == ("almanac-analytics", "API_KEYS", True)
    assert container["resources"]["limits"]["memory"] == "640Mi"
    assert not {"DATABASE_URL", "DATABASE_POOL_SIZE", "AWS_REGION"} & environment.keys()
    assert "envFrom" not in container
    account = _of_kind("ServiceAccount", values)[pod["serviceAccountName"]]
    assert account["metadata"]["annotations"] == {"team": "ops"}


def test_traffic_in_plain_text_must_be_asked_for() -> None:
    with pytest.raises(helm.HelmError, match=r"ingress.tlsSecret is needed where ingress.tls is secret"):
        render({"ingress": {"enabled": True}})
    [plain] = _of_kind("Ingress", {"ingress": {"enabled": True, "tls": "none"}}).values()
    assert "tls" not in plain["spec"]
    with pytest.raises(helm.HelmError, match=r"gateway.parents is needed"):
        render({"gateway": {"enabled": True}})


def test_a_queue_that_cannot_be_read_takes_no_pod_away() -> None:
    scaled = _of_kind("ScaledObject", profile_values("1m"))
    assert scaled
    validator = Draft7Validator(json.loads((Path(__file__).parent / "schemas" / "scaled-object.json").read_text()))
    for name, each in scaled.items():
        assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(each)] == [], name
        assert each["spec"]["fallback"]["behavior"] == "currentReplicasIfHigher", name
        assert each["spec"]["fallback"]["replicas"] >= each["spec"]["minReplicaCount"], name
