"""SNS and SQS on this machine: ministack as a child process."""

import http.client
import sys
from pathlib import Path

from local_stack import ports
from local_stack.child import Child, Command, start

REGION = "us-east-1"
SERVICES = ("sqs", "sns", "ses")
KEEP_ALIVE_SECONDS = 75
"""Longer than clients keep a connection that they do not use: the one that closes first must not be the server."""
STOP_SECONDS = 1
"""How long a stop waits for requests, of which long polls would take twenty seconds."""


class Emulator:
    """An SNS/SQS endpoint on the loopback address.

    With a `state_dir`, queues and messages outlive a clean stop. They do not outlive a kill: the saved state is removed
    once loaded, so that a later start after a kill comes up empty rather than with messages of long ago.
    A 12-digit access key is an account of its own, with its own queues.
    Usable alone (`start`, `stop`, `kill`) or through a supervisor (`prepare`, `command`, `ready`).
    """

    def __init__(
        self,
        port: int,
        state_dir: Path | None = None,
        log: Path | None = None,
        services: tuple[str, ...] = SERVICES,
    ) -> None:
        """``services`` are what it emulates of AWS; each costs memory."""
        self.port = port
        self._services = services
        self.url = f"http://{ports.LOOPBACK}:{port}"
        self._state_dir = state_dir
        self._log = log or (state_dir.with_name("emulator.log") if state_dir else Path("/dev/null"))
        self._child: Child | None = None
        self._state_found = False

    @property
    def kept_its_state(self) -> bool:
        """Whether the last start found the state of a clean stop."""
        return self._state_found

    def prepare(self) -> None:
        """See whether a clean stop left its state."""
        self._state_found = bool(self._saved_state())

    def command(self) -> Command:
        """The emulator in the foreground."""
        environment = {
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": ports.LOOPBACK,
            "MINISTACK_HOST": ports.LOOPBACK,
            "SERVICES": ",".join(self._services),
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "LOG_LEVEL": "WARNING",
        }
        if self._state_dir is not None:
            self._state_dir.mkdir(parents=True, exist_ok=True)
            environment |= {"PERSIST_STATE": "1", "STATE_DIR": str(self._state_dir)}
        return Command("emulator", [sys.executable, "-m", "uvicorn", *self._serving()], self._log, environment)

    def _serving(self) -> list[str]:
        """Its application (:mod:`local_stack.emulator_app`) under uvicorn, which takes less CPU than its own server."""
        return [
            "local_stack.emulator_app:app",
            f"--host={ports.LOOPBACK}",
            f"--port={self.port}",
            "--log-level=warning",
            "--no-access-log",
            f"--timeout-keep-alive={KEEP_ALIVE_SECONDS}",
            f"--timeout-graceful-shutdown={STOP_SECONDS}",
        ]

    def ready(self) -> bool:
        """Whether it serves; then the saved state has been loaded, and its files are removed."""
        # A module of it, and with it the saved state, is loaded by the first request that names the service.
        serves = all(self._answers(target) for target in ("AmazonSQS.ListQueues", "AmazonSNS.ListTopics"))
        for file in self._saved_state() if serves else ():
            file.unlink(missing_ok=True)
        return serves

    def start(self) -> None:
        """Start and wait until it serves. Raises StartupError."""
        self._child = start(self)

    def stop(self) -> None:
        """Stop cleanly, saving the state if there is a state folder."""
        if self._child is not None:
            self._child.stop(grace_seconds=30)

    def kill(self) -> None:
        """SIGKILL."""
        if self._child is not None:
            self._child.kill()

    def restart(self) -> None:
        """Stop if running, then start."""
        self.stop()
        self.start()

    def _answers(self, target: str) -> bool:
        connection = http.client.HTTPConnection(ports.LOOPBACK, self.port, timeout=5)
        try:
            connection.request("POST", "/", body="{}", headers={"X-Amz-Target": target})
            return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _saved_state(self) -> list[Path]:
        return list(self._state_dir.glob("*.json")) if self._state_dir is not None else []
