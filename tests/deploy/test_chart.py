"""The chart, rendered by Helm's own engine, in all profiles."""

import copy
import json
import os
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from almanac_chart import CHART, PROFILES, UnknownProfileError, main, manifests, merged, profile_values, render
from jsonschema import Draft7Validator

from contracts.alerts import RUNBOOK, Release, rule_files
from contracts.alerts.processes import COMPONENTS

helm = pytest.importorskip("helm_python", reason="`make test-deploy` installs it")
kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="`make test-deploy` installs it")

GOLDEN = Path(__file__).parent / "golden"
KUBERNETES = ("1.30", "1.31", "1.32", "1.33", "1.34")
DIRECT = {
    name: {"secret": {"remote": {"LISTEN_URL": f"almanac/{name}/listen-url"}}}
    for name in ("user", "event", "delivery", "analytics")
}
EVERYTHING = {
    "pgbouncer": {"enabled": True, "host": "primary"},
    "collector": {"enabled": True},
    "jaeger": {"enabled": True},
    "monitoring": {"enabled": True},
    "ingress": {"enabled": True, "tlsSecret": "tls"},
    "topology": {"apply": True, "roleArn": "arn:aws:iam::000000000000:role/topology"},
    "services": merged(DIRECT, {"user": {"roleArn": "arn:aws:iam::000000000000:role/user"}}),
    "image": {"pullSecrets": ["registry"], "tag": "1.2.3"},
    "pod": {"nodeSelector": {"pool": "almanac"}, "priorityClassName": "high"},
}
_schema = cache(kubernetes_validate.utils.schema_contents)
PODS = ("Deployment", "Job")


@pytest.fixture(scope="module", params=[*PROFILES, "everything"])
def rendered(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return manifests(EVERYTHING if request.param == "everything" else profile_values(request.param))


def _pods(documents: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for document in documents:
        if document["kind"] in PODS:
            yield document["metadata"]["name"], document["spec"]["template"]["spec"]


def _named(documents: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in documents if each["kind"] == kind}


def _table() -> str:
    """A line for each component, with what differs between the profiles."""
    lines = [f"{'component':34}" + "".join(f"{profile:>22}" for profile in PROFILES)]
    by_profile = {profile: manifests(profile_values(profile)) for profile in PROFILES}
    for name in _named(by_profile["dev"], "Deployment"):
        cells = []
        for documents in by_profile.values():
            deployed = _named(documents, "Deployment").get(name)
            if deployed is None:
                cells.append("-")
                continue
            pods = str(deployed["spec"].get("replicas"))
            if (scaler := _named(documents, "HorizontalPodAutoscaler").get(name)) is not None:
                pods = f"{scaler['spec']['minReplicas']}..{scaler['spec']['maxReplicas']}"
            elif (scaled := _named(documents, "ScaledObject").get(name)) is not None:
                pods = f"{scaled['spec']['minReplicaCount']}..{scaled['spec']['maxReplicaCount']}"
            spec = deployed["spec"]["template"]["spec"]
            asked = spec["containers"][0]["resources"]["requests"]
            cells.append(f"{pods} {asked['cpu']} {asked['memory']}")
        lines.append(f"{name:34}" + "".join(f"{cell:>22}" for cell in cells))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", ["1m.yaml", "profiles.txt"])
def test_what_is_rendered_is_what_was_reviewed(name: str, pytestconfig: pytest.Config) -> None:
    text = _table() if name == "profiles.txt" else render(profile_values(name.removesuffix(".yaml")))
    if pytestconfig.getoption("write_golden"):
        (GOLDEN / name).write_text(text)
    assert text == (GOLDEN / name).read_text(), "run `make chart-golden` and read the difference"


@pytest.mark.parametrize("profile", PROFILES)
def test_the_linter_has_nothing_to_say_of_a_profile(profile: str) -> None:
    report = helm.lint(CHART, profile_values(profile), strict=True, namespace="almanac", kube_version="v1.30.0")
    # Its only remark, at the level of information, is a missing icon.
    assert [each for each in report["messages"] if each["severity"] > 1] == []
    assert report["errors"] == []


def test_a_profile_is_printed_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "1m"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("---\n")
    assert len(list(yaml.load_all(printed, Loader=yaml.CSafeLoader))) > len(PROFILES)
    assert main(["render", "2m"]) == 2
    with pytest.raises(UnknownProfileError, match="dev, 10k, 100k, 1m, 5m"):
        profile_values("2m")


@pytest.mark.parametrize(
    ("values", "path", "reason"),
    [
        ({"componnets": {}}, "", "componnets"),
        ({"components": {"user-apy": {}}}, "/components", "user-apy"),
        ({"components": {"user-api": {"replica": 3}}}, "/components/user-api", "replica"),
        ({"components": {"user-api": {"min": "two"}}}, "/components/user-api/min", "integer"),
        ({"components": {"delivery-worker-low": {"slots": 0}}}, "/components/delivery-worker-low/slots", "minimum"),
        ({"components": {"user-api": {"memory": "512MB"}}}, "/components/user-api/memory", "pattern"),
        ({"services": {"user": {"roleArn": "admin"}}}, "/services/user/roleArn", "pattern"),
        ({"aws": {"accountId": "1234"}}, "/aws/accountId", "pattern"),
        ({"secrets": {"kind": "vault"}}, "/secrets/kind", "existing"),
        ({"telemetry": {"samplerRatio": 2}}, "/telemetry/samplerRatio", "maximum"),
        (
            {"keda": {"peaks": [{"name": "a", "timezone": "UTC", "start": "9", "end": "9"}]}},
            "/keda/peaks/0",
            "pattern",
        ),
        ({"networkPolicy": {"webhookExcept": []}}, "/networkPolicy/webhookExcept", "minItems"),
        ({"monitoring": {"runbookUrl": "docs/operations.md"}}, "/monitoring/runbookUrl", "pattern"),
    ],
    ids=str,
)
def test_a_wrong_value_is_refused_with_its_path(values: dict[str, Any], path: str, reason: str) -> None:
    with pytest.raises(helm.HelmError) as refused:
        render(values)
    assert f"at '{path}" in str(refused.value)
    assert reason.lower() in str(refused.value).lower()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"components": {"user-api": {"drainSeconds": 60}}},
            "components.user-api.terminationSeconds is 45 and must be more than drainSeconds and the 5 s before it, 65",
        ),
        (
            {"components": {"delivery-worker-high": {"min": 3}}},
            "components.delivery-worker-high.min is 3; the queues' fleet concurrency (events-high) allows 2 pods",
        ),
        ({"collector": {"enabled": True}}, "collector.tracesEndpoint is needed where jaeger.enabled is false"),
        ({"pgbouncer": {"enabled": True}, "services": DIRECT}, "pgbouncer.host is needed"),
        (
            {"pgbouncer": {"enabled": True, "host": "primary"}, "secrets": {"kind": "external"}},
            "services.analytics.secret.remote.LISTEN_URL is needed with pgbouncer.enabled",
        ),
        ({"secrets": {"kind": "plain"}}, "services.analytics.secret.values.DATABASE_URL is needed"),
    ],
    ids=str,
)
def test_values_that_do_not_go_together_are_refused_by_name(values: dict[str, Any], message: str) -> None:
    with pytest.raises(helm.HelmError) as refused:
        render(values)
    assert message in str(refused.value)


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_knows_every_field(
    rendered: list[dict[str, Any]], version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its schemas are megabytes, read again for every document.
    monkeypatch.setattr(kubernetes_validate.utils, "schema_contents", _schema)
    checked = 0
    for document in rendered:
        if document["apiVersion"].split("/")[0] in ("keda.sh", "monitoring.coreos.com", "external-secrets.io"):
            continue
        kubernetes_validate.validate(document, version, strict=True)
        checked += 1
    assert checked > 50


def test_custom_resources_are_what_their_operators_read(rendered: list[dict[str, Any]]) -> None:
    keda = pytest.importorskip("cloudcoil.models.keda.v1alpha1")
    prometheus = pytest.importorskip("cloudcoil.models.prometheus_operator.v1")
    models = {"keda.sh/v1alpha1": keda, "monitoring.coreos.com/v1": prometheus}
    seen = 0
    for document in copy.deepcopy(rendered):
        if document["apiVersion"] in models:
            parsed = getattr(models[document["apiVersion"]], document["kind"]).model_validate(document)
            back = json.loads(parsed.model_dump_json(by_alias=True, exclude_unset=True))
            if document["kind"] == "ScaledObject":  # those models are older than what a fallback may do
                document["spec"]["fallback"].pop("behavior")
            assert back["spec"] == document["spec"], document["metadata"]["name"]
            seen += 1
    assert seen > 0 or not any(each["kind"] == "ScaledObject" for each in rendered)


def test_external_secrets_are_what_their_operator_reads() -> None:
    schema = json.loads((Path(__file__).parent / "schemas" / "external-secret.json").read_text())
    validator = Draft7Validator(schema)
    secrets = [each for each in manifests(profile_values("1m")) if each["kind"] == "ExternalSecret"]
    assert len(secrets) == 8  # for the pods and, beforehand, for the Jobs
    for secret in secrets:
        assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(secret)] == []
        keys = {each["secretKey"]: each["remoteRef"]["key"] for each in secret["spec"]["data"]}
        assert "DATABASE_URL" in keys
    spoiled = json.loads(json.dumps(secrets[0]))
    spoiled["spec"]["data"][0]["remoteref"] = spoiled["spec"]["data"][0].pop("remoteRef")
    assert not validator.is_valid(spoiled)


def test_every_pod_is_locked_down(rendered: list[dict[str, Any]]) -> None:
    for name, spec in _pods(rendered):
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in spec["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True, name
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"], name
            assert not container["image"].endswith(":latest"), name


def test_every_role_has_all_that_keeps_it_running(rendered: list[dict[str, Any]], components: dict[str, Any]) -> None:
    deployments = _named(rendered, "Deployment")
    budgets = _named(rendered, "PodDisruptionBudget")
    services = _named(rendered, "Service")
    for component, what in components.items():
        name = f"almanac-{component}"
        template = deployments[name]["spec"]["template"]
        (container,) = template["spec"]["containers"]
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert {each["topologyKey"] for each in template["spec"]["topologySpreadConstraints"]} == {
            "topology.kubernetes.io/zone",
            "kubernetes.io/hostname",
        }
        selector = deployments[name]["spec"]["selector"]["matchLabels"]
        assert selector.items() <= template["metadata"]["labels"].items()
        assert budgets[name]["spec"]["selector"]["matchLabels"] == selector
        assert services[name]["spec"]["selector"] == selector
        drain = next(int(each["value"]) for each in container["env"] if each["name"] == "SHUTDOWN_GRACE_SECONDS")
        before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert drain + before < template["spec"]["terminationGracePeriodSeconds"]
        assert template["spec"]["serviceAccountName"] in _named(rendered, "ServiceAccount")
        assert template["spec"]["serviceAccountName"] == f"almanac-{what['service']}"


def test_scaled_components_leave_replicas_to_the_scaler(rendered: list[dict[str, Any]]) -> None:
    scaled = {
        each["spec"]["scaleTargetRef"]["name"]
        for each in rendered
        if each["kind"] in ("HorizontalPodAutoscaler", "ScaledObject")
    }
    for name, deployment in _named(rendered, "Deployment").items():
        assert ("replicas" in deployment["spec"]) is (name not in scaled), name


def test_workers_tests_of_endpoints_and_the_alerter_reach_the_world_and_nothing_private_but_their_data() -> None:
    documents = manifests(profile_values("1m"))
    policies = _named(documents, "NetworkPolicy")
    assert policies["almanac-default-deny"]["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "egress" not in policies["almanac-default-deny"]["spec"]
    (world, world6) = policies["almanac-webhooks"]["spec"]["egress"][0]["to"]
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"} <= set(
        world["ipBlock"]["except"]
    )
    assert world6["ipBlock"] == {"cidr": "2000::/3"}
    for name, deployment in _named(documents, "Deployment").items():
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        reached = {
            policy
            for policy, each in policies.items()
            if (each["spec"]["podSelector"].get("matchLabels") or {}).items() <= labels.items()
            and "Egress" in each["spec"]["policyTypes"]
        }
        assert {"almanac-default-deny", "almanac-dns"} <= reached
        assert ("almanac-webhooks" in reached) is (
            "delivery-worker" in name or name in ("almanac-delivery-api", "almanac-analytics-alerter")
        ), name
        assert ("almanac-database" in reached) is (name != "almanac-analytics-console"), name
    private = [block["ipBlock"]["cidr"] for block in policies["almanac-bus"]["spec"]["egress"][0]["to"]]
    assert private == ["10.0.128.0/20"]


def test_one_million_users_keep_ten_workers_and_two_schedulers_warm() -> None:
    documents = manifests(profile_values("1m"))
    workers = {
        name: each["spec"] for name, each in _named(documents, "ScaledObject").items() if "delivery-worker" in name
    }
    assert sum(each["minReplicaCount"] for each in workers.values()) == 10
    assert [each["maxReplicaCount"] for each in workers.values()] == [10, 5, 20, 10]  # critical, high, low, normal
    scheduler = _named(documents, "HorizontalPodAutoscaler")["almanac-event-scheduler"]["spec"]
    assert (scheduler["minReplicas"], scheduler["maxReplicas"]) == (2, 20)
    ends = {
        name.rpartition("-")[2]: spec["terminationGracePeriodSeconds"]
        for name, spec in _pods(documents)
        if "delivery-worker" in name or "scheduler" in name
    }
    assert ends == {"scheduler": 120, "critical": 60, "high": 90, "normal": 120, "low": 180}


def test_hooks_run_before_what_needs_them_and_with_all_that_they_need() -> None:
    documents = manifests(profile_values("dev"))
    hooks = {
        (each["kind"], each["metadata"]["name"]): int(each["metadata"]["annotations"]["helm.sh/hook-weight"])
        for each in documents
        if "helm.sh/hook" in (each["metadata"].get("annotations") or {})
    }
    jobs = _named(documents, "Job")
    assert set(jobs) == {f"almanac-{service}-migrate" for service in ("user", "event", "delivery", "analytics")} | {
        "almanac-topology"
    }
    for name, job in jobs.items():
        weight = hooks["Job", name]
        spec = job["spec"]["template"]["spec"]
        assert hooks["ServiceAccount", spec["serviceAccountName"]] < weight
        for source in spec["containers"][0].get("envFrom", ()):
            assert hooks["Secret", source["secretRef"]["name"]] < weight


def _jobs_without_hooks(**values: Any) -> set[str]:
    return {name for name in _named(manifests({"hooks": {"enabled": False}, **values}), "Job") if "-migrate-" in name}


@pytest.mark.parametrize(
    "change",
    [
        {"image": {"tag": "9.9.9"}},
        {"image": {"registry": "registry.example"}},
        {"aws": {"region": "eu-central-1"}},
        {"topology": {"prefix": "other"}},
        {"pod": {"priorityClassName": "high"}},
        {"secrets": {"kind": "existing"}, "services": {name: {"secret": {"name": f"own-{name}"}} for name in DIRECT}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_change_of_its_pod_gives_a_job_without_hooks_another_name(change: dict[str, Any]) -> None:
    before, after = _jobs_without_hooks(), _jobs_without_hooks(**change)
    assert len(before) == len(after) == 4
    assert before & after == set()
    assert before == _jobs_without_hooks()


def test_a_setting_that_the_chart_sets_too_occurs_once_with_its_own_value() -> None:
    values = {
        "services": {"user": {"env": {"LOG_LEVEL": "DEBUG", "OTEL_TRACES_SAMPLER_RATIO": "1"}}},
        "components": {"user-relay": {"env": {"LOG_LEVEL": "WARNING"}}},
    }
    levels = {}
    for name, deployment in _named(manifests(values), "Deployment").items():
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        names = [each["name"] for each in container["env"]]
        assert len(names) == len(set(names)), name
        levels[name] = next(each["value"] for each in container["env"] if each["name"] == "LOG_LEVEL")
    assert levels["almanac-user-api"] == "DEBUG"
    assert levels["almanac-user-relay"] == "WARNING"
    assert levels["almanac-event-api"] == "info"


def test_without_hooks_the_jobs_are_plain_and_named_after_their_pods() -> None:
    def jobs(tag: str) -> dict[str, dict[str, Any]]:
        return _named(manifests({**profile_values("dev"), "hooks": {"enabled": False}, "image": {"tag": tag}}), "Job")

    first, second = jobs("1.0.0"), jobs("1.0.1")
    assert len(first) == 5
    assert not set(first) & set(second)  # a Job cannot be changed: another image is another Job
    for job in first.values():
        assert not any(key.startswith("helm.sh/hook") for key in job["metadata"]["annotations"])
        assert job["spec"]["template"]["spec"]["restartPolicy"] == "OnFailure"
        assert job["spec"]["backoffLimit"] > 1


def test_whatever_exports_metrics_is_read_under_the_job_that_alerts_know_it_by() -> None:
    documents = manifests(EVERYTHING)
    services = _named(documents, "Service")
    jobs: dict[str, set[str]] = {}
    for name, monitor in _named(documents, "ServiceMonitor").items():
        spec = monitor["spec"]
        wanted = spec["selector"]["matchLabels"].items()
        read = [each for each in services.values() if wanted <= each["metadata"]["labels"].items()]
        jobs[name] = {each["metadata"]["labels"][spec["jobLabel"]] for each in read}
        for each in read:
            assert {each["port"] for each in spec["endpoints"]} <= {port["name"] for port in each["spec"]["ports"]}
    assert jobs.pop("almanac-collector") == {"collector"}
    assert jobs.pop("almanac-console") == {"console"}
    assert jobs == {f"almanac-{name}": {f"{name}-service"} for name in ("user", "event", "delivery", "analytics")}


def test_alerts_link_to_the_page_that_is_asked_for() -> None:
    def links(monitoring: dict[str, Any]) -> dict[str, str]:
        rules = _named(manifests({"monitoring": {"enabled": True, **monitoring}}), "PrometheusRule")["almanac-alerts"]
        return {
            each["alert"]: each["annotations"]["runbook_url"]
            for group in rules["spec"]["groups"]
            for each in group["rules"]
        }

    page = yaml.safe_load((CHART / "values.yaml").read_text())["monitoring"]["runbookUrl"]
    assert page == RUNBOOK
    assert page.startswith("https://")
    wiki = "https://wiki.example/almanac"
    assert links({}) == {alert: f"{page}#{alert.lower()}" for alert in links({})}
    assert links({"runbookUrl": wiki}) == {alert: f"{wiki}#{alert.lower()}" for alert in links({})}


@pytest.mark.parametrize(
    ("name", "namespace"),
    [
        ("almanac", "almanac"),
        ("greetings", "production"),
        ("almanac-two", "42"),
        ("almanac-of-the-northern-subsidiary", "production"),
        ("almanac-of-northern-companies", "production"),
    ],
)
def test_a_releases_rules_are_those_of_the_catalogue_for_it(name: str, namespace: str) -> None:
    release = Release(name, namespace, "https://wiki.example/almanac")
    values = {"monitoring": {"enabled": True, "runbookUrl": release.runbook}}
    rendered = _named(manifests(values, name=name, namespace=namespace), "PrometheusRule")
    assert {each.removeprefix(f"{release.objects}-"): rule["spec"] for each, rule in rendered.items()} == {
        file.removesuffix(".yaml"): yaml.safe_load(text) for file, text in rule_files(release).items()
    }


def test_every_series_gets_the_label_of_its_release() -> None:
    values = {"monitoring": {"enabled": True}, "collector": {"enabled": True, "tracesEndpoint": "jaeger:4317"}}
    monitors = _named(manifests(values), "ServiceMonitor")
    assert len(monitors) == 6
    for monitor in monitors.values():
        for endpoint in monitor["spec"]["endpoints"]:
            labels = {each["targetLabel"]: each["sourceLabels"] for each in endpoint["relabelings"]}
            # The operator adds the label `namespace` by itself.
            assert labels["release"] == ["__meta_kubernetes_service_label_app_kubernetes_io_instance"]


def test_rules_know_every_component_of_the_chart(components: dict[str, dict[str, Any]]) -> None:
    for name in components:
        assert re.fullmatch(COMPONENTS, name), name
    assert not re.fullmatch(COMPONENTS, "user-portal")


def test_the_notes_name_what_must_be_there() -> None:
    with helm.Chart.load(CHART) as chart:
        notes = chart.render({}, name="almanac", namespace="greetings")["almanac/templates/NOTES.txt"]
    for line in ("kubectl -n greetings get pods", "almanac-delivery\n", "port-forward svc/almanac-user-api 8001:80"):
        assert line in notes
    assert "<no value>" not in notes


def test_a_secret_given_plainly_moves_the_pods_when_it_changes() -> None:
    def checksums(url: str) -> set[str]:
        values = profile_values("dev")
        values["services"]["user"]["secret"]["values"]["DATABASE_URL"] = url
        pods = _named(manifests(values), "Deployment")
        return {
            each["spec"]["template"]["metadata"]["annotations"]["almanac/secret"]
            for name, each in pods.items()
            if name.startswith("almanac-user-")
        }

    assert not checksums("postgresql://a@b/c") & checksums("postgresql://a@b/d")


def test_what_the_dev_profile_needs_is_there_to_apply() -> None:
    documents = list(yaml.safe_load_all((CHART.parent / "dependencies-dev.yaml").read_text()))
    for document in documents:
        kubernetes_validate.validate(document, KUBERNETES[0], strict=True)
    urls = [each["secret"]["values"]["DATABASE_URL"] for each in profile_values("dev")["services"].values()]
    assert {"postgres", "emulator"} == set(_named(documents, "Service"))
    sql = _named(documents, "ConfigMap")["postgres-databases"]["data"]["databases.sql"]
    for url in urls:
        assert f"CREATE DATABASE {url.rpartition('/')[2]};" in sql


@pytest.mark.parametrize("paper", ["docs/how-to/go-to-production.md", "docs/operations.md", "deploy/k8s/README.md"])
def test_commands_in_documents_name_existing_resources(paper: str, pytestconfig: pytest.Config) -> None:
    root = pytestconfig.rootpath
    written = (root / paper).read_text()
    documents = manifests(profile_values("dev"))
    kinds = {"deploy": "Deployment", "svc": "Service", "job": "Job"}
    named = re.findall(r"\b(deploy|svc|job)/(almanac-[\w-]+)(?: (?:\d+:)?(\d+))?", written)
    for kind, name, port in named:
        found = _named(documents, kinds[kind])[name]
        if port and kind == "svc":
            assert int(port) in {each["port"] for each in found["spec"]["ports"]}, name
        elif port:
            (container,) = found["spec"]["template"]["spec"]["containers"]
            assert int(port) in {each["containerPort"] for each in container["ports"]}, name
    files = {each for each in re.findall(r"-f (deploy/[\w./-]+)", written) if "<" not in each}
    assert all((root / each).is_file() for each in files), files
    assert len(named) + len(files) >= 2
    images = {each["image"] for _, spec in _pods(documents) for each in spec["containers"]}
    for image in re.findall(r"-t (ghcr\.io/\S+)", written):
        assert {image.replace("$service", each) for each in ("user-service", "console")} <= images


def test_make_prints_the_profile_and_nothing_else(pytestconfig: pytest.Config) -> None:
    # A make that another one calls says which directory it is in: `make test-deploy` calls this test.
    alone = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    command = ["make", "chart", "PROFILE=1m"]
    ran = subprocess.run(command, cwd=pytestconfig.rootpath, env=alone, capture_output=True, text=True, check=True)
    assert ran.stdout == (GOLDEN / "1m.yaml").read_text()
