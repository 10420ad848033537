"""docs/how-to/go-to-production.md, from an empty cluster to an event in Jaeger: its requests run as they stand.

What comes before them needs a cluster, and is held to the chart's render by ``test_chart``.
"""

import json
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from almanac_chart import profile_values

from local_stack.emulator import Emulator
from local_stack.postgres import PostgresServer
from testkit import AwsAccount, OtlpReceiver, eventually
from testkit.full_stack import RunningStack
from testkit.plugin import DatabaseFactory
from testkit.services import SERVICES, running_services

pytestmark = pytest.mark.thorough
PAGE = Path(__file__).parents[2] / "docs/how-to/go-to-production.md"


@pytest.fixture
async def cluster(
    postgres: PostgresServer,
    emulator: Emulator,
    aws: AwsAccount,
    database: DatabaseFactory,
    otlp: OtlpReceiver,
    tmp_path: Path,
) -> AsyncIterator[RunningStack]:
    """The services as processes, with the keys that the profile ``dev`` gives them, and a collector of spans."""
    secrets = {f"{name}-service": each["secret"]["values"] for name, each in profile_values("dev")["services"].items()}
    own = {name: {"DATABASE_URL": await database(name), "API_KEYS": secrets[name]["API_KEYS"]} for name in SERVICES}
    environment = {**aws.environment(), "OTEL_EXPORTER_OTLP_ENDPOINT": otlp.endpoint}
    async with running_services(tmp_path, postgres, emulator, environment, own) as stack:
        yield stack


def _requests(stack: RunningStack) -> tuple[str, str, float]:
    """What the page does once its ports are forwarded: before it waits and afterwards, and for how many seconds."""
    blocks = re.findall(r"^```\w*\n(.+?)\n```$", PAGE.read_text(), re.S | re.M)
    (block,) = (each for each in blocks if "kubectl create" in each)
    script = block[block.index("KEY=") :]
    for port, url in (("8001", stack.user), ("8002", stack.event)):
        assert f"http://127.0.0.1:{port}" in script
        script = script.replace(f"http://127.0.0.1:{port}", url)
    before, seconds, after = re.split(r"\nsleep (\d+)\n", script)
    return before, f"{before.splitlines()[0]}\n{after}", float(seconds)


def _run(script: str) -> str:
    ran = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


async def test_requests_of_the_page_lead_to_an_event_and_its_trace(cluster: RunningStack, otlp: OtlpReceiver) -> None:
    create, look, seconds = _requests(cluster)
    user = json.loads(_run(create))

    def fired() -> str | None:
        events = json.loads(_run(look))["items"]
        return next((each["id"] for each in events if each["status"] != "PENDING"), None)

    event_id = str(await eventually(fired, timeout=seconds, interval=0.5))
    async with httpx.AsyncClient(headers={"Authorization": "Bearer almanac-local"}, trust_env=False) as http:
        event = (await http.get(f"{cluster.event}/v1/events/{event_id}")).json()
        assert (event["userId"], event["eventType"]) == (user["id"], "BIRTHDAY")

        async def given_up() -> bool:
            letters = (await http.get(f"{cluster.delivery}/v1/dead-letters?status=OPEN")).json()["items"]
            return [each["reason"] for each in letters if each["eventId"] == event_id] == ["no_endpoint"]

        await eventually(given_up)
    for service, name in (
        ("event-service", "fire BIRTHDAY"),
        ("event-service", "publish bday-birthday-events"),
        ("delivery-service", "process bday-events-critical"),
    ):
        await otlp.wait_for(
            lambda span, service=service, name=name: (  # type: ignore[misc]
                (span.service, span.name, span.attributes.get("event.id")) == (service, name, event_id)
            ),
            timeout=20,
        )
