"""The Promela model of the firing protocol holds, and notices each fault that the protocol is there to prevent."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.skipif(
        shutil.which("spin") is None or shutil.which("gcc") is None, reason="needs spin and gcc: make system-packages"
    ),
    pytest.mark.timeout(600),
]


def _make_model(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-s", "model", f"MODEL_OPTIONS={' '.join(options)}"], cwd=ROOT, capture_output=True, text=True
    )


def test_the_model_of_the_firing_protocol_holds() -> None:
    checked = _make_model()
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert [line.partition(" holds")[0] for line in checked.stdout.splitlines()] == [
        "once",
        "waiting_is_certain",
        "ends",
    ]


@pytest.mark.parametrize(
    ("breach", "broken"),
    [
        ("RETURN_EXPIRED", "once"),
        ("SILENCE_IS_NO", "once"),
        ("LATE_CALLS", "once"),
        ("UNFENCED", "once"),
        ("OUTCOME_MAKES", "once"),
    ],
)
def test_the_model_notices_a_breach_of_the_protocol(breach: str, broken: str) -> None:
    checked = _make_model(f"-D{breach}")
    assert checked.returncode != 0
    assert f"firing.pml: {broken} does not hold" in checked.stderr
