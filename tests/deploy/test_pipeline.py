"""The delivery pipeline does what a developer does: the same make targets, and all five images."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]


def _jobs() -> dict[str, Any]:
    jobs: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yaml").read_text())["jobs"]
    return jobs


def test_its_steps_are_targets_that_there_are() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    called = {
        match
        for job in _jobs().values()
        for step in job["steps"]
        for match in re.findall(r"\bmake ([a-z-]+)", step.get("run", ""))
    }
    assert {"lint", "test", "contracts", "test-deploy", "test-cluster", "system-packages"} == called
    assert called <= targets


def test_every_service_has_its_image_and_no_job_but_the_clusters_takes_longer_than_25_minutes() -> None:
    jobs = _jobs()
    services = {each.name for each in (ROOT / "services").iterdir() if (each / "pyproject.toml").exists()}
    assert set(jobs["images"]["strategy"]["matrix"]["service"]) == {*services, "cli"}
    assert {name for name, job in jobs.items() if job["timeout-minutes"] > 25} == {"cluster"}
    assert set(jobs["images"]["needs"]) == {"check", "deploy", "cluster"}
