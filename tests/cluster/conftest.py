"""A release on a real cluster. `make test-cluster` runs this, `make test` does not. See README.md.

The modules are steps and run in the order of their names: each continues with the release that the last one left.
"""

import os
from pathlib import Path

import pytest
from client import create_namespace, start_pods
from cluster import CLIENTS, NAMESPACE, names
from commands import run
from images import command_folder


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Takes no time limit for steps that build images or wait for pods."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(3600))


@pytest.fixture(scope="session")
def command_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the documents' commands that this machine does not have under their names."""
    return command_folder(tmp_path_factory.mktemp("commands"))


@pytest.fixture(scope="session", autouse=True)
def empty_cluster() -> None:
    """A cluster without a release; with CONTINUE=1 the one that an earlier run left when it failed."""
    print(run("kubectl", "version"), run("helm", "version", "--short"))
    if not os.environ.get("CONTINUE"):
        there = {NAMESPACE, CLIENTS} & set(names("namespaces", namespace="default"))
        assert not there, f"the cluster has the namespaces {sorted(there)}, which this test creates"


@pytest.fixture(scope="session")
def clients() -> None:
    """A client and a receiver of webhooks, in the namespace that may call the APIs."""
    if CLIENTS not in names("namespaces", namespace="default"):
        create_namespace(CLIENTS)
    start_pods(CLIENTS)
