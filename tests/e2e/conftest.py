"""A running stack, and what they need around it."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from testkit import OtlpReceiver, Receiver
from testkit.full_stack import KEY, People, RunningStack, running_stack


@pytest.fixture(scope="package")
def almanac(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[RunningStack]:
    """The whole system, once for all tests of this folder; idle it would take a fifth of a core from all others."""
    with running_stack(tmp_path_factory.mktemp("stack"), pytestconfig.getoption("--bus-template")) as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A client with a key that may do everything."""
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
async def spans(almanac: RunningStack) -> AsyncIterator[OtlpReceiver]:
    """The collector that the stack sends its spans to, while the test runs."""
    async with OtlpReceiver(almanac.otlp_port) as receiver:
        yield receiver


@pytest.fixture
async def secret(almanac: RunningStack, http: httpx.AsyncClient, receiver: Receiver) -> AsyncIterator[str]:
    """The signing secret of an endpoint that leads to this test's receiver."""
    answer = await http.post(f"{almanac.delivery}/v1/endpoints", json={"url": receiver.url})
    assert answer.status_code == 201, answer.text
    endpoint = answer.json()
    yield endpoint["secret"]
    await http.delete(f"{almanac.delivery}/v1/endpoints/{endpoint['id']}")


@pytest.fixture
async def people(almanac: RunningStack, http: httpx.AsyncClient, receiver: Receiver, secret: str) -> People:
    """Users of the stack; their webhooks go to the test's receiver."""
    assert secret
    return People(almanac, http, receiver)
