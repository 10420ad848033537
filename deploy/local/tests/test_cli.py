"""The command line answers bad input with one clear line and status 2, and starts nothing."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from local_stack.__main__ import app


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--day", "2027-02-30"], "DAY is '2027-02-30'"),
        (["--day", "tomorrow"], "DAY is 'tomorrow'"),
        (["--day", "0001-01-01"], "between the years"),
        (["--speed", "0"], "SPEED is '0'"),
        (["--speed=-5"], "SPEED is '-5'"),
        (["--speed", "fast"], "SPEED is 'fast'"),
        (["--speed", "nan"], "SPEED is 'nan'"),
        (["--broadcast", "noon"], "BROADCAST is 'noon'"),
        (["--broadcast", "12:00Z"], "BROADCAST is '12:00Z'"),
        (["--users", "none.csv"], "none.csv cannot be read"),
        (["--users", "wrong.csv"], "the header is"),
    ],
)
def test_bad_arguments_of_the_demo_are_refused(folder: Path, arguments: list[str], complaint: str) -> None:
    (folder / "wrong.csv").write_text("name,birthday\nAda,1815-12-10\n")
    done = CliRunner().invoke(app, ["demo", *arguments])
    assert done.exit_code == 2
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not done.stdout
    assert not (folder / ".almanac").exists()


@pytest.mark.parametrize(("value", "complaint"), [("many", "ALMANAC_INBOX_PORT"), ("8001", "same port")])
def test_a_bad_setting_is_named(value: str, complaint: str) -> None:
    done = CliRunner().invoke(app, ["up"], env={"ALMANAC_INBOX_PORT": value})
    assert done.exit_code == 2
    assert complaint in done.stderr
