"""The inbox under the supervisor."""

import sys
from http import HTTPStatus
from pathlib import Path

from local_stack import ports
from local_stack.child import Command


class InboxProcess:
    """The inbox as a process of its own. Receipts go to `file`; `keep_secret` gives it the endpoint's secret."""

    def __init__(self, port: int, file: Path, log: Path) -> None:
        self.port = port
        self.url = f"http://{ports.LOOPBACK}:{port}"
        self.file = file
        self._secret_file = file.with_name("inbox-secret")
        self._log = log

    @property
    def hook_url(self) -> str:
        """Where webhooks are to be sent."""
        return f"{self.url}/hooks"

    @property
    def has_secret(self) -> bool:
        """Whether the endpoint's secret is known."""
        return self._secret_file.exists()

    def keep_secret(self, secret: str) -> None:
        """Store the secret, readable by us alone; the running inbox reads it with the next webhook."""
        new = self._secret_file.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(secret)
        new.replace(self._secret_file)

    def prepare(self) -> None:
        """Make the folder of its file."""
        self.file.parent.mkdir(parents=True, exist_ok=True)

    def command(self) -> Command:
        """The web server."""
        environment = {
            "INBOX_PORT": str(self.port),
            "INBOX_FILE": str(self.file),
            "INBOX_SECRET_FILE": str(self._secret_file),
        }
        return Command("inbox", [sys.executable, "-m", "local_stack.inbox"], self._log, environment)

    def ready(self) -> bool:
        """Whether it serves."""
        return ports.http_status(self.port, "/healthz") == HTTPStatus.OK
