"""The chart's PgBouncer starts with the chart's own configuration: unprivileged, on a read-only root."""

import configparser
from pathlib import Path

import asyncpg
import pytest
from almanac_chart import manifests

from local_stack import ports
from local_stack.child import Command, start
from local_stack.pooler import MISSING, PGBOUNCER
from local_stack.postgres import SUPERUSER, PostgresServer, let_traverse, system_user

pytest.importorskip("helm_python", reason="`make test-deploy` installs it")
pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason=MISSING)

PASSWORD = "of-the-test"


class ChartPooler:
    """PgBouncer with the chart's ConfigMap, of which only addresses and the path of the users' file are changed."""

    def __init__(self, configuration: str, server: PostgresServer, folder: Path) -> None:
        self.port = ports.free_port()
        self._folder = folder
        self._configuration = (
            configuration.replace("listen_port = 6432", f"listen_port = {self.port}")
            .replace("listen_addr = 0.0.0.0", f"listen_addr = {ports.LOOPBACK}")
            .replace("host=primary port=5432", f"host={ports.LOOPBACK} port={server.port}")
            .replace("/etc/userlist/userlist.txt", str(folder / "userlist.txt"))
        )

    def prepare(self) -> None:
        """Write the files, which the process may read and not change, into a folder that it may not write to."""
        (self._folder / "pgbouncer.ini").write_text(self._configuration)
        (self._folder / "userlist.txt").write_text(f'"{SUPERUSER}" "{PASSWORD}"\n')
        let_traverse(self._folder / "pgbouncer.ini")

    def command(self) -> Command:
        """PgBouncer in the foreground, as in the chart."""
        ini = str(self._folder / "pgbouncer.ini")
        return Command("pgbouncer", [str(PGBOUNCER), ini], self._folder / "pgbouncer.log", user=system_user())

    def ready(self) -> bool:
        """Whether it accepts connections, as the readiness probe asks."""
        return ports.is_open(self.port)


@pytest.fixture(scope="module")
def configuration() -> str:
    services = {
        name: {"secret": {"remote": {"LISTEN_URL": f"almanac/{name}/listen-url"}}}
        for name in ("user", "event", "delivery", "analytics")
    }
    documents = manifests({"pgbouncer": {"enabled": True, "host": "primary"}, "services": services})
    [found] = [each for each in documents if each["kind"] == "ConfigMap" and "pgbouncer.ini" in each["data"]]
    return str(found["data"]["pgbouncer.ini"])


async def test_the_charts_configuration_starts_and_serves_queries(
    configuration: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    pooler = ChartPooler(configuration, postgres, tmp_path)
    child = start(pooler)
    try:
        url = f"postgresql://{SUPERUSER}:{PASSWORD}@{ports.LOOPBACK}:{pooler.port}/postgres"
        connection = await asyncpg.connect(url, statement_cache_size=0)
        assert await connection.fetchval("SELECT 40 + 2") == 42
        await connection.close()
    finally:
        child.stop(10)


def test_no_socket_and_no_minutes_of_waiting_for_a_connection(configuration: str) -> None:
    parsed = configparser.ConfigParser()
    parsed.read_string(configuration)
    # The pod's root is read-only, and a socket folder would have to be writable.
    assert parsed["pgbouncer"]["unix_socket_dir"] == ""
    assert 1 <= int(parsed["pgbouncer"]["query_wait_timeout"]) <= 30
