"""A streaming replica of an embedded PostgreSQL, for tests of reads that go to one."""

from collections.abc import Mapping
from pathlib import Path

from local_stack import ports
from local_stack.postgres import BINARIES, NOT_DURABLE, SUPERUSER, PostgresServer


class StandbyServer(PostgresServer):
    """A hot standby: its first start copies the primary, which must be running, and from then on it follows it."""

    def __init__(
        self, primary: PostgresServer, data_dir: Path, port: int, options: Mapping[str, str] = NOT_DURABLE
    ) -> None:
        # With fewer connections than its primary a standby would not start: give both the same options.
        super().__init__(data_dir, port, {**options, "wal_retrieve_retry_interval": "100ms"})
        self._primary = primary

    def _creation(self, folder: Path) -> list[str]:
        address = ["-h", ports.LOOPBACK, "-p", str(self._primary.port), "-U", SUPERUSER]
        options = ["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        return [str(BINARIES / "pg_basebackup"), "-D", str(folder), *options, *address]
