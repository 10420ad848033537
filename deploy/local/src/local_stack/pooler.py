"""PgBouncer in transaction mode in front of a PostgreSQL server, where the system has it installed."""

import shutil
from pathlib import Path

from local_stack import ports
from local_stack.child import Child, Command, start
from local_stack.postgres import SUPERUSER, PostgresServer, let_traverse, system_user

PGBOUNCER = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
MISSING = "pgbouncer is not installed: `make system-packages`"


class Pooler:
    """Clients share few sessions of the server, a transaction at a time. `folder` holds configuration and log."""

    def __init__(self, server: PostgresServer, folder: Path, port: int, *, sessions: int = 3) -> None:
        self.port = port
        self._server = server
        self._folder = folder
        self._sessions = sessions
        self._child: Child | None = None

    def url(self, database: str) -> str:
        """The URL of one of the server's databases through the pooler."""
        return f"postgresql://{SUPERUSER}@{ports.LOOPBACK}:{self.port}/{database}"

    def prepare(self) -> None:
        """Write the configuration."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if system_user() is not None:
            let_traverse(self._folder / "pgbouncer.ini")
        settings = {
            "listen_addr": ports.LOOPBACK,
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": "transaction",
            "default_pool_size": self._sessions,
            "max_client_conn": 200,
            "server_login_retry": 0.2,
            "query_wait_timeout": 2,  # seconds until a client gets an error while the server is down
        }
        lines = [
            "[databases]",
            f"* = host={ports.LOOPBACK} port={self._server.port} user={SUPERUSER}",
            "[pgbouncer]",
            *(f"{name} = {value}" for name, value in settings.items()),
        ]
        (self._folder / "pgbouncer.ini").write_text("\n".join(lines) + "\n")

    def command(self) -> Command:
        """PgBouncer in the foreground."""
        if PGBOUNCER is None:
            raise FileNotFoundError(MISSING)
        ini = self._folder / "pgbouncer.ini"
        return Command("pgbouncer", [PGBOUNCER, str(ini)], self._folder / "pgbouncer.log", user=system_user())

    def ready(self) -> bool:
        """Whether it accepts connections."""
        return ports.is_open(self.port)

    def start(self) -> None:
        """Start and wait until it serves. Raises StartupError."""
        self._child = start(self)

    def kill(self) -> None:
        """SIGKILL: every client's connection is dropped."""
        if self._child is not None:
            self._child.kill()
