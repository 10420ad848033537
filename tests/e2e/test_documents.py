"""The examples of README.md and of docs/how-to run as they stand, against a running stack."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local_stack import ports
from testkit.full_stack import KEY, RunningStack

pytestmark = pytest.mark.xdist_group("stack")

ROOT = Path(__file__).parents[2]
RECEIVER_PORT = re.compile(r"\b9000\b")
START_RECEIVER = """
"${RECEIVER[@]}" > received & trap "kill $!" EXIT
for _ in $(seq 100); do (exec 3<>/dev/tcp/127.0.0.1/%s) 2>/dev/null && break; sleep 0.1; done
"""
"""Starts the receiver and waits for its port, for at most 10 s."""


def _blocks(document: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / document).read_text(encoding="utf-8"), re.M | re.S)


def _on(almanac: RunningStack, script: str, receiver_port: int = 0) -> str:
    """The script with the addresses and the key of the running stack, and another port of the receiver."""
    script = RECEIVER_PORT.sub(str(receiver_port), script)
    addresses = {"8001": almanac.user, "8002": almanac.event, "8003": almanac.delivery, "8010": almanac.inbox}
    for port, url in addresses.items():
        script = script.replace(f"http://127.0.0.1:{port}", url)
    return script.replace("Bearer almanac-local", f"Bearer {KEY}")


async def _run(script: str, folder: Path, **environment: str) -> str:
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


async def test_example_of_the_readme_ends_in_a_verified_webhook(almanac: RunningStack, tmp_path: Path) -> None:
    [script] = _blocks("README.md", "bash")
    webhook = json.loads(await _run(_on(almanac, script), tmp_path))
    assert webhook["verified"] is True
    assert webhook["body"]["data"]["message"] == "Hey, Katherine Johnson it's your birthday"
    [shown] = map(json.loads, _blocks("README.md", "json"))
    assert shown.keys() == webhook.keys()
    assert shown["body"]["data"].keys() == webhook["body"]["data"].keys()


async def test_page_of_the_first_reminder_ends_in_its_webhook(almanac: RunningStack, tmp_path: Path) -> None:
    script = "\n".join(_blocks("docs/how-to/first-reminder.md", "bash"))
    output = await _run(_on(almanac, script), tmp_path)
    assert "Mary, Call the lab" in output.partition('"items":[{"sequence"')[2]
    assert '"room":"B12"' in output
    assert output.count('"2035-01-') >= 3
    assert '"status":"PAUSED"' in output


async def test_page_of_the_first_broadcast_ends_in_its_webhooks(almanac: RunningStack, tmp_path: Path) -> None:
    script = "\n".join(_blocks("docs/how-to/first-broadcast.md", "bash"))
    output = await _run(_on(almanac, script), tmp_path)
    assert '"timezone":"Asia/Tokyo"' in output
    assert len(re.findall(r"^Hey, [^{\n]*, there is cake$", output, re.M)) == 3


@pytest.mark.parametrize("language", ["python", "js"])
@pytest.mark.parametrize("secret", ["its own", "another"])
async def test_documented_receiver_accepts_only_its_own_secret(
    almanac: RunningStack, tmp_path: Path, language: str, secret: str
) -> None:
    interpreter = sys.executable if language == "python" else shutil.which("node")
    name = {"python": "receiver.py", "js": "receiver.mjs"}[language]
    if interpreter is None:
        pytest.skip("needs node: make system-packages")
    port = ports.free_port()
    [program] = _blocks("docs/how-to/verify-a-webhook.md", language)
    (tmp_path / name).write_text(RECEIVER_PORT.sub(str(port), program))
    create, test = _blocks("docs/how-to/verify-a-webhook.md", "bash")
    other = "" if secret == "its own" else "\nexport SECRET=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"
    receiver = f'\nRECEIVER=("{interpreter}" {name})\n{START_RECEIVER % port}'
    delete = '\necho\ncurl -s --fail -X DELETE -H "$KEY" "http://127.0.0.1:8003/v1/endpoints/$ENDPOINT_ID"'
    output = await _run(_on(almanac, create + other + receiver + test + delete, port), tmp_path)
    answer = json.loads(output.strip().splitlines()[-1])
    accepted = secret == "its own"
    assert answer["httpStatus"] == (204 if accepted else 401), output
    assert ((tmp_path / "received").read_text() != "") == accepted
