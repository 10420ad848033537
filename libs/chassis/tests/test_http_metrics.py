"""Metrics and spans of the HTTP server: current conventions, and nothing that a client chooses."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

from testkit import AwsAccount

PROGRAM = Path(__file__).with_name("programs") / "http_requests.py"


async def test_nothing_that_clients_choose_becomes_a_series_or_a_value_of_a_span(url: str, aws: AwsAccount) -> None:
    environment = os.environ | {**aws.environment(), "DATABASE_URL": url}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), stdout=PIPE, stderr=STDOUT, env=environment
    )
    output, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, output.decode()
    # The program checks its internal state, and prints the result last.
    assert output.decode().splitlines()[-1] == "ok", output.decode()
