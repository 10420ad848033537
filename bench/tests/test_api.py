import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from hashlib import sha256
from uuid import UUID

import pytest
from bench.api import Mix, known_users
from bench.imports import import_users
from bench.load import Call, send
from pydantic import SecretStr

from almanac_client import Services
from chassis.api.server import HttpServer
from chassis.core.settings import ApiKey
from chassis.service.runtime import open_runtime
from local_stack import ports
from local_stack.api import Almanac, open_almanac
from testkit import AwsAccount, eventually
from testkit.plugin import DatabaseFactory
from user_service.main import SERVICE
from user_service.settings import Settings

URL = "http://127.0.0.1:8000"
KEY = "of the benchmark"


def calls(seconds: float, users: int) -> list[Call]:
    known = [
        {
            "id": str(UUID(int=number)), "email": f"ada.{number}@example.org", "version": 3, "timezone": "UTC",
            "dateOfBirth": "1990-12-10",
        }
        for number in range(users)
    ]  # fmt: skip
    return list(Mix(URL, known, random.Random(1)).arrivals(seconds, 200))


def test_a_mix_has_as_many_calls_as_the_rate_says_of_every_kind_and_the_same_in_every_run() -> None:
    mix = calls(30, 2_000)
    assert 5_700 < len(mix) < 6_300
    assert all(0 < call.at < 30 for call in mix)
    kinds = Counter(call.kind for call in mix)
    assert kinds.keys() == {"read by id", "find by email", "change", "create", "list"}
    assert 0.45 < kinds["read by id"] / len(mix) < 0.55
    assert mix == calls(30, 2_000)


def test_a_user_is_changed_once_from_the_version_that_is_known() -> None:
    changes = [call for call in calls(10, 2_000) if call.kind == "change"]
    assert len({call.url for call in changes}) == len(changes)
    assert all(call.headers is not None and call.headers["If-Match"] == '"3"' for call in changes)


def test_too_few_users_for_the_changes_are_refused_rather_than_changed_twice() -> None:
    with pytest.raises(ValueError, match="20 users are too few"):
        calls(10, 20)


@pytest.fixture
async def almanac(
    database: DatabaseFactory, aws: AwsAccount, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Almanac]:
    """Of user-service alone, served in this process."""
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    keys = (ApiKey(name="bench", sha256=sha256(KEY.encode()).hexdigest(), scopes=frozenset({"read", "write"})),)
    settings = Settings(database_url=SecretStr(await database("user-service")), database_pool_size=5, api_keys=keys)
    port, stopping = ports.free_port(), asyncio.Event()
    url = f"http://{ports.LOOPBACK}:{port}"
    async with open_runtime(settings, name="user-service") as runtime:
        server = HttpServer(SERVICE.app(runtime), host=ports.LOOPBACK, port=port, grace_seconds=1)
        serving = asyncio.create_task(server.run(stopping))
        await eventually(lambda: ports.is_open(port))
        async with open_almanac(KEY, Services(url, None, None, None)) as almanac:
            yield almanac
        stopping.set()
        await serving


async def test_requests_of_every_kind_are_answered_as_they_should_be(almanac: Almanac) -> None:
    await import_users(240, almanac)
    users = await known_users(almanac)
    assert len({user["id"] for user in users}) == 240
    mix = Mix(almanac.user_url, users, random.Random(1))
    answers = await send(list(mix.arrivals(1, 200)), {"Authorization": f"Bearer {KEY}"})
    assert [answer.fault for answer in answers if answer.fault] == []
    assert {answer.call.kind for answer in answers} == {"read by id", "find by email", "change", "create", "list"}
