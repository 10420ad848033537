"""How the services of the stack are configured."""

import json
import stat
from base64 import b64decode
from pathlib import Path

from chassis.api.auth import Keyring
from chassis.core.settings import ApiKey
from local_stack.emulator import Emulator
from local_stack.postgres import PostgresServer
from local_stack.services import kept_secret_key, service_environment, services
from local_stack.settings import StackSettings


def test_every_service_knows_a_key_that_may_act_and_one_that_may_only_read(tmp_path: Path) -> None:
    settings = StackSettings()
    postgres, emulator = PostgresServer(tmp_path, settings.postgres_port), Emulator(settings.emulator_port)
    for service in services(settings):
        environment = service_environment(service, settings, postgres, emulator, "unused")
        keyring = Keyring([ApiKey.model_validate(key) for key in json.loads(environment["API_KEYS"])])
        assert keyring.holder(f"Bearer {settings.api_key}").may("write")
        reader = keyring.holder(f"Bearer {settings.read_key}")
        assert reader.may("read")
        assert not reader.may("write")


def test_the_key_of_the_secrets_is_made_once_and_readable_by_us_alone(tmp_path: Path) -> None:
    file = tmp_path / "secret-key"
    key = kept_secret_key(file)
    assert len(b64decode(key, validate=True)) == 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert kept_secret_key(file) == key
