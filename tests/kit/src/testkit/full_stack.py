"""The whole system, started as a user starts it, and spoken to over HTTP."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from local_stack import ports
from local_stack.services import ACCOUNT
from testkit.aws import AwsAccount
from testkit.polling import DEADLINE_SECONDS, eventually
from testkit.webhooks import ReceivedRequest, Receiver

KEY = "end-to-end-key"
READ_KEY = "end-to-end-read-key"
_START_SECONDS = 540  # of the 600 that a test may take
_PORTS = ("POSTGRES", "EMULATOR", "USER", "EVENT", "DELIVERY", "ANALYTICS", "INBOX")


@dataclass(frozen=True)
class RunningStack:
    """A running stack: where its APIs, its inbox and its databases are, and where it sends spans."""

    user: str
    event: str
    delivery: str
    analytics: str
    inbox: str
    otlp_port: int
    folder: Path = Path()
    """Of what it writes: its output, and below it its data and logs."""
    postgres_port: int = 0
    aws: AwsAccount = field(default_factory=lambda: AwsAccount(""))


def stack_environment(data_dir: Path) -> dict[str, str]:
    """The environment of a stack with ports of its own, so that stacks can run side by side."""
    return {
        **os.environ,
        **{f"ALMANAC_{name}_PORT": str(ports.free_port()) for name in _PORTS},
        "ALMANAC_DATA_DIR": str(data_dir),
        "ALMANAC_API_KEY": KEY,
        "ALMANAC_READ_KEY": READ_KEY,
        "ERASURE_SECONDS": "1",
    }


@contextmanager
def running_stack(folder: Path, bus_template: Path | None = None) -> Iterator[RunningStack]:
    """`make run` while the block lasts; asserts that it stops cleanly. Spans go to a port where a test may listen.

    With a `bus_template` topics and queues are made by CloudFormation of that.
    """
    environment = stack_environment(folder / "data")
    if bus_template is not None:
        environment["ALMANAC_BUS_TEMPLATE"] = str(bus_template)
    otlp_port = ports.free_port()
    environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://{ports.LOOPBACK}:{otlp_port}"
    output = folder / "output"
    with output.open("wb") as out:
        stack = subprocess.Popen(
            [sys.executable, "-m", "local_stack", "up"], env=environment, stdout=out, stderr=subprocess.STDOUT
        )
    user, event, delivery, analytics, inbox = (
        f"http://{ports.LOOPBACK}:{environment[f'ALMANAC_{name}_PORT']}" for name in _PORTS[2:]
    )
    try:
        _wait_until_running(stack, output)
        account = AwsAccount(f"http://{ports.LOOPBACK}:{environment['ALMANAC_EMULATOR_PORT']}", ACCOUNT)
        postgres_port = int(environment["ALMANAC_POSTGRES_PORT"])
        yield RunningStack(user, event, delivery, analytics, inbox, otlp_port, folder, postgres_port, account)
    finally:
        stack.send_signal(signal.SIGINT)
        status = stack.wait(DEADLINE_SECONDS)
    if status != 0:
        raise AssertionError(f"the stack did not stop cleanly ({status}):\n{output.read_text()}")


def _wait_until_running(stack: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while "Almanac is running" not in output.read_text():
        if stack.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"the stack did not come up:\n{output.read_text()}")
        time.sleep(0.1)


class People:
    """Users and their events, over the public APIs. A refused request raises AssertionError."""

    def __init__(self, almanac: RunningStack, http: httpx.AsyncClient, receiver: Receiver) -> None:
        self._almanac = almanac
        self._http = http
        self._receiver = receiver

    async def create(self, **fields: Any) -> dict[str, Any]:
        person = {"firstName": "Ada", "lastName": "Lovelace", "dateOfBirth": "1990-01-01", "timezone": "UTC"}
        answer = await self._http.post(f"{self._almanac.user}/v1/users", json={**person, **fields})
        return _expect(answer, 201)

    async def change(self, user: Mapping[str, Any], **fields: str) -> dict[str, Any]:
        headers = {"If-Match": f'"{user["version"]}"'}
        url = f"{self._almanac.user}/v1/users/{user['id']}"
        return _expect(await self._http.patch(url, json=fields, headers=headers), 200)

    async def delete(self, user: Mapping[str, Any]) -> None:
        _expect(await self._http.delete(f"{self._almanac.user}/v1/users/{user['id']}"), 204)

    async def remind(self, user: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
        """Make a reminder's schedule, as soon as event-service knows the user."""

        async def made() -> dict[str, Any] | None:
            body = {"userId": user["id"], **fields}
            answer = await self._http.post(f"{self._almanac.event}/v1/schedules", json=body)
            return None if answer.status_code == 404 else _expect(answer, 201)

        return await eventually(made, interval=0.1) or {}

    async def events(self, user: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The user's events, latest target first."""
        answer = await self._http.get(f"{self._almanac.event}/v1/events", params={"userId": user["id"]})
        items: list[dict[str, Any]] = _expect(answer, 200)["items"]
        return items

    async def has_event(self, user: Mapping[str, Any], status: str) -> dict[str, Any]:
        """Wait until the user has an event in this state, and return it."""

        async def found() -> dict[str, Any] | None:
            return next((event for event in await self.events(user) if event["status"] == status), None)

        return await eventually(found, interval=0.1) or {}

    def greetings(self, user: Mapping[str, Any]) -> list[ReceivedRequest]:
        """The requests that the receiver got for this user."""
        return [request for request in self._receiver.requests if user["id"].encode() in request.body]

    async def is_greeted(self, user: Mapping[str, Any]) -> ReceivedRequest:
        """Wait for the user's webhook."""
        return (await eventually(lambda: self.greetings(user)))[0]


def due_in(seconds: float, now: datetime | None = None) -> dict[str, str]:
    """The fields of a user in UTC whose birthday is to be greeted ``seconds`` from now."""
    at = (now or datetime.now(UTC)) + timedelta(seconds=seconds)
    return {"dateOfBirth": f"1992-{at:%m-%d}", "timezone": "UTC", "deliveryTime": f"{at:%H:%M:%S}"}


def _expect(answer: httpx.Response, status: int) -> dict[str, Any]:
    if answer.status_code != status:
        raise AssertionError(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}")
    body: dict[str, Any] = answer.json() if answer.content else {}
    return body
