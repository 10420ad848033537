"""The catalogue as rule files of Prometheus, for one release of Almanac.

Several releases may share a Prometheus with each other and with other applications. Each has rules of its own, which
select its own series alone and label their results with its namespace and name (ADR 40):

- ``$own`` selects what was scraped for the release: every such series has the labels ``namespace`` and ``release``,
- ``$namespace`` and ``$release`` (how their names begin) select its objects in the metrics of kube-state-metrics,
- ``$threshold`` is the alert's.
"""

import json
from dataclasses import dataclass
from hashlib import sha256
from string import Template
from typing import Final

from contracts.alerts.alert import Alert, Recording
from contracts.alerts.catalogue import GROUPS, RECORDINGS

RUNBOOK: Final = "https://github.com/almanac/almanac/blob/main/docs/operations.md"
MAX_NAME: Final = 28
_HEADER: Final = "# Written from contracts.alerts by `make rules`.\n"
_LABELS: Final = {"service": "job"}
"""Labels that Prometheus calls otherwise than the evaluator of analytics-service does."""
_FORMATS: Final = {
    "": "{{ $value }}",
    ".0f": '{{ $value | printf "%.0f" }}',
    ".1f": '{{ $value | printf "%.1f" }}',
    ".0%": "{{ $value | humanizePercentage }}",
    "bytes": "{{ $value | humanize1024 }}B",
    "duration": "{{ $value | humanizeDuration }}",
}


@dataclass(frozen=True, slots=True)
class Release:
    """Whose rules they are, and the page that says what to do. The chart puts its own values in place of these."""

    name: str = "almanac"
    namespace: str = "almanac"
    runbook: str = RUNBOOK

    @property
    def objects(self) -> str:
        """How the names of its objects on Kubernetes begin: the chart cuts a name of more than 28 characters."""
        if len(self.name) <= MAX_NAME:
            return self.name
        return f"{self.name[:19].removesuffix('-')}-{sha256(self.name.encode()).hexdigest()[:8]}"

    @property
    def own(self) -> str:
        return f'namespace="{self.namespace}", release="{self.name}"'


def rule_files(release: Release) -> dict[str, str]:
    """The rule files by name: ``alerts.yaml`` and ``recording.yaml``."""
    alerts = {
        name: "".join(_alert(alert, alert.promql, release) for alert in group if alert.promql)
        for name, group in GROUPS.items()
    }
    recordings = {name: "".join(_recording(each, release) for each in group) for name, group in RECORDINGS.items()}
    return {"alerts.yaml": _file(alerts), "recording.yaml": _file(recordings)}


def expression(promql: str, release: Release, threshold: float | None = None) -> str:
    """PromQL for a release. What is no placeholder of ours (``$1`` of ``label_replace``) stays as it is."""
    limit = "" if threshold is None else f"{threshold:.10g}"
    return Template(promql.strip()).safe_substitute(
        own=release.own, namespace=release.namespace, release=release.objects, threshold=limit
    )


def summary(alert: Alert) -> str:
    """The summary as a template of Prometheus. Raises KeyError for a format that Prometheus has not."""
    return "".join(text + _field(name, spec) for text, name, spec in alert.fields)


def _field(name: str, spec: str) -> str:
    match name:
        case "":
            return ""
        case "value":
            return _FORMATS[spec]
        case _:
            return f"{{{{ $labels.{_LABELS.get(name, name)} }}}}"


def _file(groups: dict[str, str]) -> str:
    written = "".join(f"  - name: almanac-{name}\n    rules:\n{rules}" for name, rules in groups.items() if rules)
    return f"{_HEADER}groups:\n{written}"


def _alert(alert: Alert, promql: str, release: Release) -> str:
    return "".join(
        (
            f"      - alert: {alert.name}\n",
            _block(expression(promql, release, alert.threshold)),
            f"        for: {_duration(alert.for_seconds)}\n",
            f"        labels: {{severity: {alert.severity}, {_identity(release)}}}\n",
            "        annotations:\n",
            f"          summary: {json.dumps(summary(alert))}\n",
            f"          runbook_url: {release.runbook}#{alert.anchor}\n",
        )
    )


def _recording(recording: Recording, release: Release) -> str:
    return (
        f"      - record: {recording.name}\n"
        f"{_block(expression(recording.promql, release))}"
        f"        labels: {{{_identity(release)}}}\n"
    )


def _identity(release: Release) -> str:
    return f'namespace: "{release.namespace}", release: "{release.name}"'


def _block(promql: str) -> str:
    return "        expr: |\n" + "".join(f"          {line}\n" for line in promql.splitlines())


def _duration(seconds: int) -> str:
    return f"{seconds}s" if seconds % 60 else f"{seconds // 60}m"
