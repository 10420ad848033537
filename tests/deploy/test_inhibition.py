"""Which alerts mute which others, asked of a running Alertmanager with the shipped configuration."""

import shutil
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
import yaml
from queries import OBSERVABILITY

from local_stack import ports
from local_stack.child import Child, Command
from testkit import eventually

CONFIGURATION = OBSERVABILITY / "alertmanager" / "alertmanager.yaml"
ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")

pytestmark = pytest.mark.skipif(ALERTMANAGER is None, reason="`make system-packages` installs Alertmanager")

Labels = dict[str, str]


def _alert(name: str, severity: str, **labels: str) -> Labels:
    return {"alertname": name, "severity": severity, "namespace": "production", "release": "almanac", **labels}


def _backlog(**labels: str) -> Labels:
    return _alert("QueueBacklog", "warning", **{"queue": "bday-analytics", **labels})


DATABASE_DOWN = _alert("DatabaseDown", "critical", job="postgres-exporter")
UNREACHABLE = _alert("DatabaseUnreachable", "critical", job="event-service")
QUEUE_FULL = _alert("QueueDepthCritical", "critical", queue="bday-analytics")
ERRORS = _alert("ApiErrorRateHigh", "critical", job="user-service")
LATE = _alert("LatenessBudgetBurnsFast", "critical", priority="HIGH")
ROUTE = "ApiErrorRateElevated"
CASES: dict[str, tuple[Labels, Labels, bool]] = {
    "a database mutes warnings of its release": (DATABASE_DOWN, _backlog(), True),
    "a database mutes no other release": (DATABASE_DOWN, _backlog(release="almanac-two"), False),
    "a database mutes no other namespace": (DATABASE_DOWN, _backlog(namespace="staging"), False),
    "a database mutes no stranger": (DATABASE_DOWN, {"alertname": "DiskFull", "severity": "warning"}, False),
    "a database mutes nothing critical": (DATABASE_DOWN, QUEUE_FULL, False),
    "a service mutes its own warnings": (UNREACHABLE, _alert("OutboxSlow", "warning", job="event-service"), True),
    "a service mutes no other": (UNREACHABLE, _alert("OutboxSlow", "warning", job="user-service"), False),
    "a queue mutes its own warning": (QUEUE_FULL, _backlog(), True),
    "a queue mutes no other": (QUEUE_FULL, _backlog(queue="bday-events-low"), False),
    "a queue mutes no other release": (QUEUE_FULL, _backlog(release="almanac-two"), False),
    "an API mutes its own routes": (ERRORS, _alert(ROUTE, "warning", job="user-service", http_route="/v1/users"), True),
    "an API mutes no other": (ERRORS, _alert(ROUTE, "warning", job="event-service", http_route="/v1/events"), False),
    "a fast burn mutes its slow one": (LATE, _alert("LatenessBudgetBurnsSlowly", "warning", priority="HIGH"), True),
    "a priority mutes no other": (LATE, _alert("LatenessBudgetBurnsSlowly", "warning", priority="LOW"), False),
}


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an Alertmanager whose receivers lead nowhere."""
    folder: Path = tmp_path_factory.mktemp("alertmanager")
    shipped = yaml.safe_load(CONFIGURATION.read_text())
    quiet = {
        "route": {"receiver": "nobody"},
        "receivers": [{"name": "nobody"}],
        "inhibit_rules": shipped["inhibit_rules"],
    }
    (folder / "alertmanager.yaml").write_text(yaml.safe_dump(quiet))
    port = ports.free_port()
    argv = [
        str(ALERTMANAGER),
        f"--config.file={folder / 'alertmanager.yaml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address={ports.LOOPBACK}:{port}",
        "--cluster.listen-address=",
    ]
    child = Child(Command("alertmanager", argv, folder / "alertmanager.log"))
    yield f"http://{ports.LOOPBACK}:{port}"
    child.stop(10)


@pytest.mark.parametrize(("source", "target", "muted"), CASES.values(), ids=CASES.keys())
async def test_an_alert_mutes_only_what_it_explains(
    alertmanager: str, source: Labels, target: Labels, muted: bool, request: pytest.FixtureRequest
) -> None:
    # The alert that the source certainly mutes shows when Alertmanager has processed it.
    control = next(other for each, other, mutes in CASES.values() if each is source and mutes)
    # Cases share an Alertmanager; each has namespaces of its own.
    case = f"case-{list(CASES).index(request.node.callspec.id)}"
    sent = [
        {**labels, "namespace": f"{case}-{labels['namespace']}"} if "namespace" in labels else labels
        for labels in (source, target, control)
    ]
    async with httpx.AsyncClient(base_url=alertmanager, trust_env=False, timeout=10) as http:

        async def ready() -> bool:
            try:
                return (await http.get("/-/ready")).status_code == HTTPStatus.OK
            except httpx.TransportError:
                return False

        async def is_muted(labels: Labels) -> bool:
            listed = (await http.get("/api/v2/alerts")).json()
            return any(each["status"]["inhibitedBy"] for each in listed if each["labels"] == labels)

        await eventually(ready)
        posted = await http.post("/api/v2/alerts", json=[{"labels": labels} for labels in sent])
        assert posted.status_code == HTTPStatus.OK, posted.text
        await eventually(lambda: is_muted(sent[2]))
        assert await is_muted(sent[1]) is muted


def test_every_rule_stays_within_a_release() -> None:
    for rule in yaml.safe_load(CONFIGURATION.read_text())["inhibit_rules"]:
        assert {"namespace", "release"} <= set(rule["equal"]), rule
