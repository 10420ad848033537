"""Keys that cannot be right end the process at its start, with one line that says which and why."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from chassis.core.settings import ServiceSettings

PROGRAM = Path(__file__).with_name("programs") / "service.py"


def _key(name: str, secret: str, *scopes: str) -> dict[str, object]:
    return {"name": name, "sha256": hashlib.sha256(secret.encode()).hexdigest(), "scopes": scopes}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (json.dumps([_key("reader", "a", "read"), _key("boss", "a", "admin")]), "'reader' and 'boss' are one key"),
        ("", "it is empty"),
        ("  ", "it is empty"),
        ("[{", "it is not JSON"),
        ("a-key-in-the-clear", "it is not JSON"),
        ("{}", "must be a JSON list"),
        ("null", "must be a JSON list"),
        ('["a-key-in-the-clear"]', "entry 1: the entry: "),
        (json.dumps([_key("reader", "a", "read"), _key("", "b", "read")]), "entry 2: name: "),
        (json.dumps([{"name": "a", "sha256": "a-key-in-the-clear", "scopes": ["read"]}]), "entry 1: sha256: "),
        (json.dumps([_key("reader", "a", "reed")]), "entry 1: scopes.0: "),
        (json.dumps([{**_key("reader", "a"), "scope": []}]), "entry 1: scope: "),
    ],
)
def test_keys_that_cannot_be_right_are_refused_by_their_place_and_never_quoted(
    monkeypatch: pytest.MonkeyPatch, value: str, told: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://a@127.0.0.1/a")
    monkeypatch.setenv("API_KEYS", value)
    with pytest.raises(ValidationError) as caught:
        ServiceSettings()
    [fault] = caught.value.errors()
    assert fault["loc"] == ("api_keys",)
    assert told in fault["msg"]
    assert "in-the-clear" not in fault["msg"]
    assert "\n" not in fault["msg"]


@pytest.mark.parametrize(
    "name", ["AWS_ENDPOINT_URL", "OTEL_EXPORTER_OTLP_ENDPOINT", "DATABASE_REPLICA_URL", "CACHE_URL", "LISTEN_URL"]
)
def test_an_empty_optional_setting_is_not_set(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://a@127.0.0.1/a")
    monkeypatch.setenv(name, "")
    assert getattr(ServiceSettings(), name.lower()) is None


class _Structured(ServiceSettings):
    """As services have: a list and a mapping."""

    windows: list[int] | None = None
    texts: dict[str, str] = Field(default_factory=dict)


@pytest.mark.parametrize(("name", "form"), [("WINDOWS", "list"), ("TEXTS", "dictionary")])
@pytest.mark.parametrize("value", ["{", "08:00"])
def test_a_setting_that_is_not_json_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, form: str, value: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://a@127.0.0.1/a")
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=f"valid {form}") as caught:
        _Structured()
    assert [fault["loc"] for fault in caught.value.errors()] == [(name.lower(),)]


def test_two_keys_of_one_hash_end_the_process_with_one_line(tmp_path: Path) -> None:
    keys = json.dumps([_key("reader", "a", "read"), _key("boss", "a", "admin")])
    environment = os.environ | {"DATABASE_URL": "postgresql://a@127.0.0.1/a", "API_KEYS": keys}
    process = subprocess.run(
        [sys.executable, str(PROGRAM), "run", "api"],
        env=environment | {"SAMPLE_MIGRATIONS": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == 2
    expected = (
        "sample-service: setting API_KEYS: 'reader' and 'boss' are one key: each entry needs a sha256 of its own\n"
    )
    assert process.stderr == expected
