"""The import rules of docs/architecture.md#layers hold, and would be noticed if they did not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LIBRARIES = ("contracts", "chassis", "client", "cli")
SERVICES = ("user-service", "event-service", "delivery-service", "analytics-service", "console")
SOURCES = (
    *(f"libs/{name}" for name in LIBRARIES),
    "deploy/local",
    "tests/kit",
    *(f"services/{name}" for name in SERVICES),
)


@pytest.fixture
def house(tmp_path: Path, pytestconfig: pytest.Config) -> Path:
    """A copy of all packages in one folder, with the rules."""
    for source in SOURCES:
        shutil.copytree(pytestconfig.rootpath / source / "src", tmp_path / "src", dirs_exist_ok=True)
    shutil.copy(pytestconfig.rootpath / "pyproject.toml", tmp_path)
    return tmp_path


def check(house: Path) -> subprocess.CompletedProcess[str]:
    lint_imports = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [lint_imports, "--no-logo", "--no-cache"],
        cwd=house,
        env={**os.environ, "PYTHONPATH": str(house / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_rules_hold(house: Path) -> None:
    result = check(house)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("module", "imports"),
    [
        ("user_service/application/breach.py", "event_service.domain.events"),
        ("chassis/breach.py", "user_service.domain.errors"),
        ("local_stack/breach.py", "testkit.polling"),
        ("chassis/breach.py", "contracts.topology"),  # a module on no layer
        ("chassis/core/breach.py", "chassis.database.engine"),
        ("chassis/core/breach.py", "chassis.telemetry.tracing"),
        ("chassis/telemetry/breach.py", "chassis.core.settings"),
        ("chassis/database/breach.py", "chassis.messaging.outbox"),
        ("chassis/messaging/breach.py", "chassis.imports.jobs"),
        ("chassis/imports/breach.py", "chassis.api.problems"),
        ("chassis/api/breach.py", "chassis.service.runtime"),
        ("contracts/breach.py", "chassis.database.clock"),
        ("almanac_cli/breach.py", "chassis.database.clock"),
        ("almanac_client/breach.py", "almanac_cli.main"),
        ("almanac_client/breach.py", "chassis.core.zones"),
        ("event_service/domain/breach.py", "event_service.adapters.claims"),
        ("event_service/adapters/breach.py", "event_service.application.planning"),
        ("event_service/application/breach.py", "event_service.api.events"),
        ("event_service/api/breach.py", "event_service.subscribers.users"),
        ("delivery_service/application/breach.py", "delivery_service.settings"),
        ("delivery_service/application/breach.py", "sqlalchemy"),
        ("console/breach.py", "analytics_service.domain.costs"),
        ("console/breach.py", "chassis.database.engine"),
        ("console/pages/breach.py", "httpx"),
        ("console/views/breach.py", "nicegui"),
        ("analytics_service/api/breach.py", "console.formats"),
        ("analytics_service/domain/breach.py", "pydantic"),
        ("event_service/domain/breach.py", "chassis.database.clock"),
        ("event_service/domain/breach.py", "chassis.core.settings"),
        ("delivery_service/domain/breach.py", "contracts.messages.event"),
    ],
)
def test_a_planted_breach_is_found(house: Path, module: str, imports: str) -> None:
    (house / "src" / module).write_text(f"import {imports}\n")
    result = check(house)
    assert result.returncode != 0
    assert "BROKEN" in result.stdout, result.stdout + result.stderr
