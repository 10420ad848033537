"""The four services as this machine runs them: one process each, with all its roles."""

import hashlib
import json
import sys
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from secrets import token_bytes

from local_stack import ports
from local_stack.child import Child, Command, StartupError, tail
from local_stack.emulator import REGION, Emulator
from local_stack.postgres import PostgresServer
from local_stack.settings import StackSettings

_SECRET_KEY_BYTES = 32
ACCOUNT = "000000000000"


@dataclass(frozen=True)
class Service:
    """A service of the project: its name, its module, its port, and what runs it here if not the module itself."""

    name: str
    module: str
    port: int
    runner: str | None = None

    @property
    def database(self) -> str:
        """The name of its database, which is the module's."""
        return self.module

    @property
    def migrations(self) -> Path:
        """The folder of its migrations, beside its sources. Its code is not imported."""
        spec = find_spec(self.module)
        if spec is None or spec.origin is None:
            raise StartupError(f"{self.name} is not installed here: there is no module {self.module}")
        return Path(spec.origin).parents[2] / "migrations"

    @property
    def url(self) -> str:
        """Where its API listens."""
        return f"http://{ports.LOOPBACK}:{self.port}"


def services(settings: StackSettings) -> list[Service]:
    """The four, in the order of their start: who consumes comes before who publishes nothing yet."""
    return [
        Service("user-service", "user_service", settings.user_port),
        Service("event-service", "event_service", settings.event_port),
        Service("delivery-service", "delivery_service", settings.delivery_port),
        Service("analytics-service", "analytics_service", settings.analytics_port, "local_stack.analytics"),
    ]


class ServiceProcess:
    """A service under the supervisor."""

    def __init__(self, service: Service, environment: Mapping[str, str], log: Path) -> None:
        self.service = service
        self._environment = environment
        self._log = log

    def prepare(self) -> None:
        """Nothing: databases, migrations and topology are there by now."""

    def command(self) -> Command:
        """All roles in one process."""
        argv = [sys.executable, "-m", self.service.runner or self.service.module, "run"]
        return Command(self.service.name, argv, self._log, self._environment)

    def ready(self) -> bool:
        """Whether its dependencies answer it."""
        return ports.http_status(self.service.port, "/readyz") == HTTPStatus.OK


def bus_environment(emulator: Emulator) -> dict[str, str]:
    """The address of SNS and SQS, and the credentials for them."""
    return {
        "AWS_ENDPOINT_URL": emulator.url,
        "AWS_REGION": REGION,
        "AWSACCOUNT_ID": ACCOUNT,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "local",
    }


def service_environment(
    service: Service, settings: StackSettings, postgres: PostgresServer, emulator: Emulator, secret_key: str
) -> dict[str, str]:
    """The whole configuration of one service. `secret_key` is the key with which delivery-service encrypts endpoints'
    secrets."""
    keys = [
        _key("local", settings.api_key, "read", "write", "admin"),
        _key("local-read", settings.read_key, "read"),
    ]
    addresses = {f"{each.module.upper()}_URL": each.url for each in services(settings)}
    return bus_environment(emulator) | {
        "DATABASE_URL": postgres.url(service.database),
        "DATABASE_POOL_SIZE": str(settings.database_pool_size),
        "API_HOST": ports.LOOPBACK,
        "API_PORT": str(service.port),
        "API_KEYS": json.dumps(keys),
        "LOG_LEVEL": settings.log_level,
        "TIME_LAPSE": "true",
        "SHUTDOWN_GRACE_SECONDS": str(settings.shutdown_grace_seconds),
        # Of delivery-service alone: the inbox, and whatever a person tries here, listens on this machine.
        "WEBHOOK_ALLOWED_NETWORKS": '["127.0.0.0/8", "::1/128"]',
        "WEBHOOK_ALLOWED_PORTS": "[]",
        "SECRET_KEYS": secret_key,
        # Of analytics-service and the console alone, which show what the others know.
        **addresses,
        "SERVICES_API_KEY": settings.api_key,
        "CONSOLE_URL": addresses["ANALYTICS_SERVICE_URL"],
    }


def _key(name: str, secret: str, *scopes: str) -> dict[str, object]:
    return {"name": name, "sha256": hashlib.sha256(secret.encode()).hexdigest(), "scopes": scopes}


def kept_secret_key(file: Path) -> str:
    """The key in `file`, readable by us alone; a new one where there is none yet. Without it the secrets are lost."""
    if not file.exists():
        new = file.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(b64encode(token_bytes(_SECRET_KEY_BYTES)).decode())
        new.replace(file)
    return file.read_text().strip()


async def run_once(name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
    """Run `python -m <arguments>` to its end. Raises StartupError, with the end of its log, if it fails."""
    child = Child(Command(name, [sys.executable, "-m", *arguments], log, environment))
    try:
        await child.ended()
    finally:
        child.kill()
    if child.exit_code != 0:
        raise StartupError(f"{name} failed ({child.exit_code}); its log ends:\n{tail(log)}")
