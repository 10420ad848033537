"""A marked person goes through every path, errors included, and no log line, span, metric or alert knows of them."""

import asyncio
import json
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest

from local_stack import ports
from local_stack.postgres import SUPERUSER
from testkit import OtlpReceiver, eventually
from testkit.full_stack import People, RunningStack, due_in

pytestmark = pytest.mark.xdist_group("stack")

FIRST, LAST, MAIL, PHONE, LABEL = "Xanthippe", "Quendelholm", "xanthippe.q@example.org", "+4915555550123", "Zwiebeltag"
MARKERS = [FIRST, LAST, MAIL, "xanthippe.q", PHONE, PHONE[1:], LABEL]
PERSON = {"firstName": FIRST, "lastName": LAST, "email": MAIL, "phone": PHONE}
BORN = {"dateOfBirth": "1990-12-10", "timezone": "Europe/Berlin"}
DATABASE = "user_service"
BLOCKED = "SELECT {} FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
OTHERS = {"emulator.log", "inbox.log"}
"""Logs of what stands for other people's systems. The stack's terminal shows greetings, as their receiver."""


def _traces_of(text: str) -> list[str]:
    return [marker for marker in MARKERS if marker.lower() in text.lower()]


async def _requests(almanac: RunningStack, http: httpx.AsyncClient) -> None:
    """Accepted values, refused values, and the values searched for."""
    url = f"{almanac.user}/v1/users"
    anniversary = {"label": LABEL, "date": "2015-07-08"}
    created = await http.post(url, json={**PERSON, **BORN, "anniversaries": [anniversary]})
    assert created.status_code == 201, created.text
    path = f"{almanac.user}{created.headers['Location']}"
    for refused in ({"timezone": FIRST}, {"email": FIRST}, {FIRST: 1}, {"phone": MAIL}, {"tags": [LAST]}):
        assert (await http.post(url, json={**PERSON, **BORN, **refused})).status_code == 422
    assert (await http.get(url, params={"email": MAIL})).status_code == 200
    assert (await http.get(url, params={"email": FIRST, LAST: MAIL})).status_code == 422
    assert (await http.get(f"{url}/{MAIL}")).status_code == 422
    assert (await http.get(f"{almanac.user}/{MAIL}")).status_code == 404
    assert (await http.patch(path, json={"firstName": FIRST * 2}, headers={"If-Match": "*"})).status_code == 200
    assert (await http.delete(path)).status_code == 204


async def _imports(almanac: RunningStack, http: httpx.AsyncClient) -> None:
    header = "firstName,lastName,dateOfBirth,timezone,email\n"
    body = f'{header}{FIRST},{LAST},1990-12-10,UTC,{MAIL}\n{FIRST},{LAST},1990-13-10,{LAST},{FIRST}\n"{FIRST},{LAST}\n'
    for content, kind in ((body, "text/csv"), (json.dumps({**PERSON, f"{LAST}\0": 1}), "application/x-ndjson")):
        headers = {"Content-Type": kind, "Idempotency-Key": str(uuid4())}
        answer = await http.post(f"{almanac.user}/v1/imports", content=content.encode(), headers=headers)
        assert answer.status_code == 200, answer.text


async def _failing_statements(almanac: RunningStack, http: httpx.AsyncClient) -> None:
    """Statements about the person are cancelled, and their connections terminated, while they wait for a lock."""
    address = f"postgresql://{SUPERUSER}@{ports.LOOPBACK}:{almanac.postgres_port}/{DATABASE}"
    connection = await asyncpg.connect(address)
    try:
        for end in ("pg_cancel_backend", "pg_terminate_backend"):
            created = await http.post(f"{almanac.user}/v1/users", json={**PERSON, **BORN})
            path = f"{almanac.user}{created.headers['Location']}"
            async with connection.transaction():
                await connection.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
                waiting = asyncio.create_task(
                    http.patch(path, json={"lastName": LAST * 2}, headers={"If-Match": "*"}, timeout=30)
                )
                posting = asyncio.create_task(
                    http.post(f"{almanac.user}/v1/users", json={**PERSON, **BORN}, timeout=30)
                )

                async def blocked() -> bool:
                    return bool(await connection.fetchval(BLOCKED.format("count(*)")))

                await eventually(blocked)
                await connection.execute(BLOCKED.format(f"{end}(pid)"))
                done, _ = await asyncio.wait([waiting, posting], return_when=asyncio.FIRST_COMPLETED, timeout=30)
                assert {each.result().status_code for each in done} <= {500, 503}
            await asyncio.gather(waiting, posting)
    finally:
        await connection.close()


async def _poison(almanac: RunningStack) -> None:
    """Messages about the person that no consumer can apply, in each queue that has such messages."""
    item = {"itemId": str(uuid4()), "userId": str(uuid4()), "version": 0, **PERSON, "timezone": LAST}
    envelope = {"specversion": "1.0", "id": str(uuid4()), "source": "user-service", "type": "UserCreated"}
    body = json.dumps(
        {**envelope, "time": "2026-01-01T00:00:00Z", "dataversion": "1.0", "data": {"items": [item, item]}}
    )
    async with almanac.aws.client("sqs") as sqs:
        for queue in ("bday-user-events", "bday-analytics", "bday-events-critical", "bday-delivery-outcomes"):
            url = (await sqs.get_queue_url(QueueName=queue))["QueueUrl"]
            for text in (body, f"{FIRST} {LAST} {MAIL}", json.dumps({"metadata": {**PERSON}})):
                await sqs.send_message(QueueUrl=url, MessageBody=text)


async def _dead_letters(almanac: RunningStack, http: httpx.AsyncClient) -> int:
    answer = await http.get(f"{almanac.event}/v1/dead-letter-messages", params={"limit": 200})
    return sum(FIRST in each["body"] for each in answer.json()["items"])


@pytest.mark.timeout(240)
async def test_a_person_leaves_no_trace_in_logs_spans_metrics_and_alerts(
    almanac: RunningStack, http: httpx.AsyncClient, people: People, spans: OtlpReceiver
) -> None:
    user = await people.create(**{**due_in(5), **PERSON})
    await _requests(almanac, http)
    await _imports(almanac, http)
    await _poison(almanac)
    await _failing_statements(almanac, http)
    await people.is_greeted(user)

    async def all_rejected() -> bool:
        return await _dead_letters(almanac, http) >= 4

    await eventually(all_rejected, timeout=60)
    await people.delete(user)
    await spans.wait_for(lambda span: span.name == "POST /v1/imports", timeout=20)

    shown = {str(path): path.read_text(errors="replace") for path in _logs(almanac.folder)}
    assert any("rejected" in text for text in shown.values()), "the logs are elsewhere"
    for service in (almanac.user, almanac.event, almanac.delivery, almanac.analytics):
        shown[service] = (await http.get(f"{service}/metrics")).text
    shown["alerts"] = (await http.get(f"{almanac.analytics}/v1/alerts")).text
    shown["spans"] = "\n".join(map(repr, spans.spans))
    for where, text in shown.items():
        found = _traces_of(text)
        lines = [line[:600] for line in text.splitlines() if _traces_of(line)][:3]
        assert not found, f"{where} has {found}: {lines}"


def _logs(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix == ".log" and path.name not in OTHERS]
