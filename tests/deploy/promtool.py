"""Rules on series of a test's own, by Prometheus' own tool."""

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml

from contracts.alerts import Release, rule_files

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="`make system-packages` installs promtool")


def own(series: Mapping[str, str], release: Release) -> dict[str, str]:
    """The series as they are scraped for a release, with its labels. ``$namespace`` and ``$release`` are replaced."""
    return {_labelled(name, release): values for name, values in series.items()}


def _labelled(name: str, release: Release) -> str:
    if "$" in name:  # of kube-state-metrics, which does not know of releases
        return Template(name).substitute(namespace=release.namespace, release=release.objects)
    metric, _, inner = name.removesuffix("}").partition("{")
    return f"{metric}{{{', '.join(each for each in (inner, release.own) if each)}}}"


def firing(title: str, series: Mapping[str, str], alert: str, at: str, expected: Sequence[Release]) -> dict[str, Any]:
    """A test of promtool: which releases an alert (or any that a pattern matches) fires for at a time."""
    query = f'count by (namespace, release) (ALERTS{{alertname=~"{alert}", alertstate="firing"}}) > bool 0'
    samples = [{"labels": f"{{{release.own}}}", "value": 1} for release in expected]
    return {
        "name": title,
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": query, "eval_time": at, "exp_samples": samples}],
    }


def check(folder: Path, releases: Sequence[Release], tests: Sequence[Mapping[str, Any]]) -> None:
    """Runs the tests with the rules of these releases side by side in one Prometheus."""
    files = []
    for release in releases:
        for name, text in rule_files(release).items():
            path = folder / f"{release.namespace}-{release.name}-{name}"
            path.write_text(text)
            files.append(str(path))
    file = folder / "tests.yaml"
    file.write_text(yaml.safe_dump({"rule_files": files, "tests": list(tests)}))
    ran = subprocess.run([str(PROMTOOL), "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, re.sub(r"\n\s*\n", "\n", ran.stdout + ran.stderr)
