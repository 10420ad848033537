"""How the services of the stack are configured."""

import stat
from base64 import b64decode
from pathlib import Path

from local_stack.services import kept_secret_key


def test_the_key_of_the_secrets_is_made_once_and_readable_by_us_alone(tmp_path: Path) -> None:
    file = tmp_path / "secret-key"
    key = kept_secret_key(file)
    assert len(b64decode(key, validate=True)) == 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert kept_secret_key(file) == key
