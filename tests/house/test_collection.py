"""Two xdist workers must collect the same tests in the same order, or the whole run ends before its first test.

So a test's id must not depend on the time, on randomness or on the order of a set. And tests that share what is
expensive to start run on one worker.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from shifted_clock import SECONDS_VARIABLE

_DAY = 86_400
_TIMEOUT_SECONDS = 600

# A parametrised test whose ids differ from one collection to the next, for each reason there is.
_UNSTABLE = {
    "time": "from datetime import UTC, datetime\nVALUES = [str(datetime.now(UTC).date())]",
    "randomness": "from uuid import uuid4\nVALUES = [str(uuid4())]",
    "order of a set": "VALUES = list({'ada', 'grace', 'edsger', 'barbara', 'tony', 'donald', 'alan'})",
}


@pytest.mark.timeout(_TIMEOUT_SECONDS)
def test_collection_is_the_same_under_another_clock_and_hash_seed(pytestconfig: pytest.Config) -> None:
    first, second = _collect_twice(pytestconfig.rootpath, "-m", "")
    assert len(first) > 2500
    assert first == second


@pytest.mark.parametrize("reason", sorted(_UNSTABLE))
def test_an_id_that_depends_on_chance_differs_between_the_two_collections(reason: str, tmp_path: Path) -> None:
    (tmp_path / "test_unstable.py").write_text(
        f"import pytest\n{_UNSTABLE[reason]}\n"
        "@pytest.mark.parametrize('value', VALUES)\ndef test_value(value): assert value\n"
    )
    first, second = _collect_twice(
        tmp_path, "-c", os.devnull, "--rootdir", str(tmp_path), PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"
    )
    assert len(first) == len(second) > 0
    assert first != second


def test_tests_of_one_group_run_on_one_worker(tmp_path: Path) -> None:
    (tmp_path / "test_groups.py").write_text(
        "import os\nimport pytest\n"
        "@pytest.mark.parametrize('group', [pytest.param(g, marks=pytest.mark.xdist_group(g)) for g in 'abcd' * 3])\n"
        "def test_worker(group, request):\n"
        f"    with open({str(tmp_path / 'ran')!r}, 'a') as ran:\n"
        "        ran.write(f'{group} {os.environ[\"PYTEST_XDIST_WORKER\"]}\\n')\n"
    )
    # As in the Makefile, with nothing of ours.
    options = ("-c", os.devnull, "--rootdir", str(tmp_path), "-p", "xdist", "-n", "2", "--dist", "loadgroup")
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        check=True,
        timeout=_TIMEOUT_SECONDS,
    )
    ran = (tmp_path / "ran").read_text().splitlines()
    assert len(ran) == 12
    assert len(set(ran)) == 4
    assert {line.split()[1] for line in ran} == {"gw0", "gw1"}


def _collect_twice(folder: Path, *options: str, **environment: str) -> tuple[list[str], list[str]]:
    """Return the ids of the tests in a folder as collected today with hash seed 1, and in 400 days with seed 2."""
    clocks = (
        {"PYTHONHASHSEED": "1", SECONDS_VARIABLE: "0"},
        {"PYTHONHASHSEED": "2", SECONDS_VARIABLE: f"{400 * _DAY}"},
    )
    runs = [_collect(folder, options, {**environment, **clock}) for clock in clocks]
    first, second = (_ids(run) for run in runs)
    return first, second


def _collect(folder: Path, options: tuple[str, ...], changes: dict[str, str]) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), **changes}
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "shifted_clock", *options]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _ids(run: subprocess.Popen[str]) -> list[str]:
    output, _ = run.communicate(timeout=_TIMEOUT_SECONDS)
    assert run.returncode == 0, output
    return [line for line in output.splitlines() if "::" in line]
