"""TCP ports on the loopback address: free ones for tests, and clear words about a busy one."""

import fcntl
import http.client
import os
import socket
import tempfile
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import SystemRandom

import psutil

LOOPBACK = "127.0.0.1"
# Below the range from which Linux takes source ports of outgoing connections: a port picked there stays ours while its
# server is down for a restart.
_FREE_RANGE = range(20_000, 32_000)
_KEPT = 500
"""How many of the ports that this process was given last no other process is given."""
_given: deque[int] = deque()


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def is_open(port: int) -> bool:
    """Whether something accepts connections on the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def free_port() -> int:
    """A port that nothing listens on, for a test's own server.

    It is this process's: another one that asks meanwhile, before a server listens there, is given another.
    """
    for port in SystemRandom().sample(_FREE_RANGE, min(200, len(_FREE_RANGE))):
        if port not in _given and _lock(port, fcntl.LOCK_EX | fcntl.LOCK_NB):
            _given.append(port)
            if len(_given) > _KEPT:
                _lock(_given.popleft(), fcntl.LOCK_UN)
            if is_free(port):
                return port
    raise OSError(f"no free port between {_FREE_RANGE.start} and {_FREE_RANGE.stop}")


def _lock(port: int, operation: int) -> bool:
    """Lock or unlock the byte that stands for the port; the system unlocks what an ended process had."""
    try:
        fcntl.lockf(_lock_file(), operation, 1, port)
    except OSError:
        return False
    return True


@cache
def _lock_file() -> int:
    return os.open(Path(tempfile.gettempdir()) / f"almanac-ports-{os.getuid()}", os.O_RDWR | os.O_CREAT, 0o600)


@dataclass(frozen=True)
class PortUse:
    """A port, what of the stack listens on it, and the variable that moves it."""

    port: int
    wanted_by: str
    variable: str


class BusyPortError(RuntimeError):
    """Ports that the stack needs are taken; the message names each, who holds it and what to do."""


def require_free(uses: Iterable[PortUse]) -> None:
    """Raise BusyPortError if any of the ports is taken."""
    complaints = [
        f"port {use.port}, wanted by {use.wanted_by}, is held by {_holder(use.port)}; "
        f"free it, or choose another with {use.variable}=<port>"
        for use in uses
        if not is_free(use.port)
    ]
    if complaints:
        raise BusyPortError("\n".join(complaints))


def _holder(port: int) -> str:
    try:
        listeners = [
            each.pid
            for each in psutil.net_connections("tcp")
            if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port and each.pid is not None
        ]
        if listeners:
            process = psutil.Process(listeners[0])
            return f"process {process.pid} ({' '.join(process.cmdline())[:80] or process.name()})"
    except psutil.Error:
        pass  # the system does not tell us about other users' processes
    return "another process"


def http_status(port: int, path: str) -> int | None:
    """The status that an HTTP server on the port answers to GET, or None if there is no answer."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
