"""Requirements are pinned, hashed, and independent of the package index."""

import re
from pathlib import Path

import pytest

SERVICES = ("user-service", "event-service", "delivery-service", "analytics-service", "console")
NAMES = ("bootstrap", "dev", "tzdata-2022", *SERVICES)
TOOLS = ("browser", "deploy", "policies")


@pytest.mark.parametrize("name", [*NAMES, *TOOLS])
def test_every_requirement_is_pinned_and_hashed_and_none_has_an_address(name: str, pytestconfig: pytest.Config) -> None:
    text = (Path(pytestconfig.rootpath) / "requirements" / f"{name}.txt").read_text()
    assert "://" not in text
    requirements = [block for block in re.split(r"\n(?=[a-z0-9])", text.strip()) if block]
    for requirement in requirements:
        assert re.match(r"[a-z0-9._\[\]-]+==\S+", requirement), requirement
        assert "--hash=sha256:" in requirement, requirement
    assert len(requirements) >= 1


def test_a_service_installs_the_versions_that_were_tested(pytestconfig: pytest.Config) -> None:
    folder = Path(pytestconfig.rootpath) / "requirements"
    pins = {
        name: set(re.findall(r"^([a-z0-9._-]+==[^\s;]+)", (folder / f"{name}.txt").read_text(), re.M)) for name in NAMES
    }
    for name in SERVICES:
        assert pins[name] - pins["dev"] == set(), name
