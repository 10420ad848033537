"""An upgrade with a migration, a rollback and a second upgrade, under load and without an error at the API."""

from pathlib import Path

import pytest
from burst import Burst
from client import Load
from cluster import (
    RELEASE,
    database,
    deployments,
    kubectl,
    upgrade,
    wait_until_rolled_out,
)
from commands import ROOT, block, run_block
from images import CHANGED_VERSION, REGISTRY, VERSION, build_changed

REVISION = '''"""A column more, as a later release would add."""

from alembic import op

revision = "9999"
down_revision = "{before}"


def upgrade() -> None:
    """Adds the column."""
    op.execute("ALTER TABLE users ADD COLUMN cluster_test text")
'''
SERVICE = "user-service"
COLUMN = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'users' AND column_name = 'cluster_test'"


def _newest_revision() -> str:
    return max(path.name[:4] for path in (ROOT / "services" / SERVICE / "migrations/versions").glob("[0-9]*.py"))


def _versions() -> set[str]:
    images = {each["spec"]["template"]["spec"]["containers"][0]["image"] for each in deployments()}
    return {image.rpartition(":")[2] for image in images if image.startswith(f"{REGISTRY}/")}


@pytest.fixture(scope="module", autouse=True)
def changed_images(command_path: Path, tmp_path_factory: pytest.TempPathFactory, clients: None) -> None:
    """The images of the next release, in the cluster."""
    source = REVISION.format(before=_newest_revision())
    build_changed(SERVICE, source, tmp_path_factory.mktemp("context"), command_path)


def test_upgrade_with_a_migration_answers_every_request_and_loses_no_event() -> None:
    burst = Burst("Upgrade", 300, 120)
    with Load() as load:
        upgrade("--set", f"image.tag={CHANGED_VERSION}")
    assert load.errors == [], load.counts
    print(f"upgrade: {load.counts}")
    assert _versions() == {CHANGED_VERSION}
    assert database("user_service", COLUMN) == ["1"]
    burst.wait_until_delivered(600)


def test_watching_an_upgrade_as_documented_shows_the_migration(tmp_path: Path) -> None:
    text = block("docs/operations.md", "logs job/almanac-event-migrate")
    assert "successfully rolled out" in run_block(text, tmp_path)


def test_rollback_as_documented_answers_every_request_on_the_newer_schema(tmp_path: Path) -> None:
    burst = Burst("Rollback", 300, 120)
    with Load() as load:
        run_block(block("docs/operations.md", "rollback almanac"), tmp_path, 1000)
    assert load.errors == [], load.counts
    print(f"rollback: {load.counts}")
    assert _versions() == {VERSION}
    assert database("user_service", COLUMN) == ["1"]
    burst.wait_until_delivered(600)


def test_upgrade_of_the_old_version_leaves_a_newer_schema_alone() -> None:
    upgrade("--set", "log.level=info")
    log = kubectl("logs", f"job/{RELEASE}-user-migrate")
    assert "9999" in log, log
    upgrade()


def test_second_upgrade_answers_every_request() -> None:
    with Load() as load:
        upgrade("--set", f"image.tag={CHANGED_VERSION}")
    assert load.errors == [], load.counts
    assert _versions() == {CHANGED_VERSION}
    wait_until_rolled_out()
