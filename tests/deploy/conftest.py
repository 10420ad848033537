"""What ships, as a reader of the repository finds it: the chart's values merged, its golden renders, its components."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from almanac_chart import CHART, PROFILES, manifests, merged, profile_values

import analytics_service.main
import delivery_service.main
import event_service.main
import user_service.main
from chassis.service.service import Service

SERVICES: dict[str, Service[Any]] = {
    "user": user_service.main.SERVICE,
    "event": event_service.main.SERVICE,
    "delivery": delivery_service.main.SERVICE,
    "analytics": analytics_service.main.SERVICE,
}
GOLDEN = Path(__file__).parent / "golden"
GOLDEN_PROFILE = "1m"
"""The one whose render is kept whole, for reviewers to read."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-golden", action="store_true", help="write tests/deploy/golden instead of comparing")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent / "aws"):
            # One worker has them all: each would synthesize every stage for itself.
            item.add_marker(pytest.mark.xdist_group("aws"))


@pytest.fixture(scope="session")
def components() -> dict[str, dict[str, Any]]:
    """What the chart runs: name → service, roles, queues."""
    parsed: dict[str, dict[str, Any]] = yaml.safe_load((CHART / "files" / "components.yaml").read_text())
    return parsed


@pytest.fixture(scope="session", params=PROFILES)
def profile(request: pytest.FixtureRequest) -> str:
    """Each of the chart's profiles."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def values(profile: str) -> dict[str, Any]:
    """The values of the profile, over the chart's own."""
    return merged(yaml.safe_load((CHART / "values.yaml").read_text()), profile_values(profile))


@pytest.fixture(scope="session", params=["dev", GOLDEN_PROFILE])
def golden(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """The manifests of two profiles: all that the chart can do is in one of them."""
    if request.param != GOLDEN_PROFILE:
        pytest.importorskip("helm_python", reason="`make test-deploy` installs it")
        return manifests(profile_values(request.param))
    documents = yaml.load_all((GOLDEN / f"{request.param}.yaml").read_text(), Loader=yaml.CSafeLoader)
    return [document for document in documents if document]


@pytest.fixture(scope="session")
def declared() -> dict[str, Service[Any]]:
    """The four services, as their mains declare them. The console has a main of its own."""
    return SERVICES
