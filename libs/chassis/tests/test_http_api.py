"""What every API shares, over HTTP: keys, problems, preconditions, pages, health."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import APIRouter, Response
from pydantic import Field, StringConstraints

from chassis.api.app import create_app
from chassis.api.auth import ADMIN, READ, WRITE
from chassis.api.dependencies import CurrentDatabase
from chassis.api.health import Readiness
from chassis.api.pages import Cursor, Limit, Page, cut, decode_cursor, encode_cursor
from chassis.api.preconditions import ExpectedVersion, OptionalIdempotencyKey, OptionalVersion, set_etag
from chassis.api.problems import Problems, ProblemType, documented
from chassis.api.wire import NOT_SENT, PatchModel, PlainText, RequestModel, WireModel
from chassis.core.settings import ServiceSettings
from chassis.database.clock import ManualClock
from chassis.database.database import Database
from chassis.database.read_cache import ReadCache
from chassis.messaging import dead_letters, provisioning
from chassis.messaging.bus import Bus
from chassis.messaging.consumer import ReceivedMessage, Rejection
from chassis.messaging.dead_letter_redrive import DeadLetterRedrive
from chassis.messaging.outbox import Outbox
from contracts import build_topology
from local_stack import ports

PROBLEM = "application/problem+json"
Name = Annotated[PlainText, StringConstraints(min_length=1, max_length=20)]

router = APIRouter(prefix="/v1/things", tags=["things"])


class ThingError(Exception):
    """Root of the sample's errors."""

    field: ClassVar[str | None] = "firstName"


class StaleError(ThingError):
    """It has changed."""

    field: ClassVar[str | None] = "If-Match"


PROBLEMS: Problems = {
    ThingError: ProblemType(409, "thing-taken", "Thing taken"),
    StaleError: ProblemType(412, "thing-taken", "Thing taken"),
}


class PartBody(RequestModel):
    """A part of a thing."""

    part_size: int = Field(ge=1)


class NewThing(RequestModel):
    """The sent body."""

    first_name: Name
    parts: tuple[PartBody, ...] = ()


class ThingPatch(PatchModel):
    """What is changed."""

    first_name: Name = NOT_SENT
    nick_name: Name | None = NOT_SENT


class ThingBody(WireModel):
    """What is answered."""

    first_name: str


class RowBody(WireModel):
    """An item of a list."""

    id: UUID
    created_at: datetime


ROWS = [RowBody(id=UUID(int=n), created_at=datetime(2026, 1, n, tzinfo=UTC)) for n in range(1, 6)]


@router.post("", dependencies=[WRITE], status_code=201)
async def create(new: NewThing, response: Response, key: OptionalIdempotencyKey) -> ThingBody:
    if new.first_name == "taken":
        raise ThingError("somebody has it")
    if new.first_name == "break":
        raise RuntimeError("secret detail")
    set_etag(response, 3)
    response.headers["Seen-Key"] = key.client if key else "none"
    return ThingBody(first_name=new.first_name)


@router.patch("/{thing_id}", dependencies=[WRITE], responses=documented(412, 428))
async def patch(thing_id: UUID, change: ThingPatch, version: ExpectedVersion) -> dict[str, Any]:
    return {"version": version, "changes": change.changes()}


@router.delete("/{thing_id}", dependencies=[ADMIN])
async def delete(thing_id: UUID, version: OptionalVersion) -> dict[str, Any]:
    return {"version": version}


@router.post("/{thing_id}/touch", dependencies=[WRITE])
async def touch(thing_id: UUID, version: ExpectedVersion) -> dict[str, Any]:
    current = 3
    if version is not None and version != current:
        raise StaleError("changed")
    return {}


@router.get("", dependencies=[READ])
async def list_things(limit: Limit = 2, cursor: Cursor = None) -> Page[RowBody]:
    after = decode_cursor(cursor)
    found = [row for row in ROWS if after is None or (row.created_at, row.id) > after][: limit + 1]
    page, more = cut(found, limit)
    return Page(items=list(page), next_cursor=encode_cursor((page[-1].created_at, page[-1].id)) if more else None)


@router.get("/database", dependencies=[READ])
async def ask_database(database: CurrentDatabase) -> dict[str, Any]:
    await database.ping()
    return {}


def _client(settings: ServiceSettings, database: Database, readiness: Readiness | None = None) -> httpx.AsyncClient:
    app = create_app(
        "sample",
        routers=(router,),
        problems=PROBLEMS,
        keys=settings.api_keys,
        readiness=readiness or Readiness(),
        database=database,
        clock=ManualClock(datetime(2026, 11, 23, tzinfo=UTC)),
        outbox=Outbox(),
        cache=ReadCache(None, prefix="sample"),
    )
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test", headers={"Authorization": "Bearer writer"})


@pytest.fixture
async def client(settings: ServiceSettings, db: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Holds a key of scope `write`."""
    async with _client(settings, db) as opened:
        yield opened


def _problem(answer: httpx.Response, status: int, slug: str, *fields: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    body: dict[str, Any] = answer.json()
    assert (body["status"], body["type"]) == (status, f"urn:almanac:problem:{slug}")
    assert tuple(error["field"] for error in body["errors"]) == fields
    assert body["title"]
    assert body["detail"]
    return body


ReceiveAll = Callable[[str, int], Awaitable[list[dict[str, Any]]]]
READER = {"Authorization": "Bearer reader"}
WRITER = {"Authorization": "Bearer writer"}
BOSS = {"Authorization": "Bearer boss"}


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer nobody", "Basic cmVhZGVyOg==", "reader"])
async def test_a_request_without_a_known_key_is_refused(client: httpx.AsyncClient, authorization: str) -> None:
    answer = await client.get("/v1/things", headers={"Authorization": authorization})
    _problem(answer, 401, "unauthenticated", "Authorization")
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_key_may_do_what_its_scopes_say_and_admin_everything(client: httpx.AsyncClient) -> None:
    _problem(await client.get("/v1/things"), 403, "forbidden", "Authorization")
    _problem(
        await client.post("/v1/things", json={"firstName": "a"}, headers=READER), 403, "forbidden", "Authorization"
    )
    _problem(await client.delete(f"/v1/things/{uuid4()}"), 403, "forbidden", "Authorization")
    assert (await client.get("/v1/things", headers=READER)).status_code == 200
    assert (await client.get("/v1/things", headers=BOSS)).status_code == 200
    assert (await client.delete(f"/v1/things/{uuid4()}", headers=BOSS)).status_code == 200


async def test_an_unknown_path_and_a_wrong_method_are_problems(client: httpx.AsyncClient) -> None:
    _problem(await client.get("/v1/nothing"), 404, "not-found")
    answer = await client.put("/v1/things")
    _problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ("firstName",)),
        ({"firstName": ""}, ("firstName",)),
        ({"firstName": "x" * 21}, ("firstName",)),
        ({"firstName": "a\u0000b"}, ("firstName",)),
        ({"firstName": 7}, ("firstName",)),
        ({"firstName": "a", "surname": "b"}, ("surname",)),
        ({"firstName": "a", "parts": [{"partSize": 1}, {"partSize": 0}]}, ("parts.1.partSize",)),
        ({"firstName": None, "parts": 3}, ("firstName", "parts")),
        ([], ("body",)),
    ],
)
async def test_a_field_that_is_not_valid_is_named_as_the_client_spells_it(
    client: httpx.AsyncClient, body: Any, fields: tuple[str, ...]
) -> None:
    _problem(await client.post("/v1/things", json=body), 422, "invalid-request", *fields)


@pytest.mark.parametrize(
    ("text", "rule"),
    [("", "must have at least 1 character, not 0"), (" " + "x" * 21, "must have at most 20 characters, not 21")],
)
async def test_the_length_of_a_text_is_stated_in_characters(client: httpx.AsyncClient, text: str, rule: str) -> None:
    answer = await client.post("/v1/things", json={"firstName": text})
    assert answer.json()["errors"] == [{"field": "firstName", "detail": rule}]


@pytest.mark.parametrize("content", [b"{", b'{"firstName": "a"', b'{"firstName": "\xff"}', b"\xff\xfe", b"{'a': 1}"])
async def test_a_body_that_is_not_json_in_utf8_is_malformed(client: httpx.AsyncClient, content: bytes) -> None:
    answer = await client.post("/v1/things", content=content, headers={"Content-Type": "application/json"})
    _problem(answer, 400, "malformed-body", "body")


async def test_a_parameter_that_is_not_valid_is_named(client: httpx.AsyncClient) -> None:
    _problem(await client.get("/v1/things?limit=0", headers=READER), 422, "invalid-request", "limit")
    _problem(await client.get("/v1/things?limit=201", headers=READER), 422, "invalid-request", "limit")
    answer = await client.patch("/v1/things/7", json={"firstName": "a"}, headers={"If-Match": '"1"'})
    _problem(answer, 422, "invalid-request", "thing_id")


async def test_an_error_of_the_service_is_a_problem_of_its_own(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/things", json={"firstName": "taken"})
    assert _problem(answer, 409, "thing-taken", "firstName")["detail"] == "somebody has it"


async def test_unexpected_error_reveals_no_reason(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/things", json={"firstName": "break"})
    _problem(answer, 500, "internal")
    assert "secret" not in answer.text


async def test_an_outage_of_the_database_is_a_temporary_problem(settings: ServiceSettings) -> None:
    away = Database(f"postgresql://postgres@{ports.LOOPBACK}:{ports.free_port()}/away")
    async with _client(settings, away) as client:
        answer = await client.get("/v1/things/database", headers=READER)
    await away.close()
    _problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "1"


async def test_an_update_needs_the_version_that_was_read(client: httpx.AsyncClient) -> None:
    created = await client.post("/v1/things", json={"firstName": " a "})
    assert (created.status_code, created.json(), created.headers["etag"]) == (201, {"firstName": "a"}, '"3"')
    path, change = f"/v1/things/{uuid4()}", {"firstName": "b"}
    _problem(await client.patch(path, json=change), 428, "precondition-required", "If-Match")
    for value in ("3", '"3" "4"', '"3', '"3", 4', "W/3"):
        answer = await client.patch(path, json=change, headers={"If-Match": value})
        _problem(answer, 422, "invalid-request", "If-Match")
    answer = await client.patch(path, json=change, headers={"If-Match": '"3"'})
    assert answer.json() == {"version": 3, "changes": {"first_name": "b"}}
    assert (await client.patch(path, json=change, headers={"If-Match": "*"})).json()["version"] is None


@pytest.mark.parametrize(
    ("if_match", "matches"),
    [
        ('"3"', True),
        (' "3" ', True),
        ('"1", "3"', True),
        ('"1","3" , W/"4"', True),
        ('W/"3"', False),
        ('W/"3", W/"4"', False),
        ('"1", "2"', False),
        ('"three"', False),
        ('""', False),
        ('"03"', False),
        ("*", True),
    ],
)
async def test_if_match_is_evaluated_as_a_list_of_strong_tags(
    client: httpx.AsyncClient, if_match: str, matches: bool
) -> None:
    answer = await client.post(f"/v1/things/{uuid4()}/touch", headers={"If-Match": if_match})
    assert answer.status_code == (200 if matches else 412), answer.text


@pytest.mark.parametrize("path", ["/v1/things", "/healthz", "/readyz", "/openapi.json", "/docs"])
async def test_head_works_where_get_does(client: httpx.AsyncClient, path: str) -> None:
    get, head = await client.get(path, headers=READER), await client.head(path, headers=READER)
    assert (head.status_code, head.content) == (get.status_code, b"") == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


async def test_head_is_refused_where_get_is(client: httpx.AsyncClient) -> None:
    assert (await client.head(f"/v1/things/{uuid4()}", headers=READER)).status_code == 405
    assert (await client.head("/v1/nothing", headers=READER)).status_code == 404
    assert (await client.head("/v1/things", headers={"Authorization": ""})).status_code == 401


async def test_the_docs_load_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    page = (await client.get("/docs", headers={"Authorization": ""})).text
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(addresses) == 3
    for address in addresses:
        assert address.startswith("/docs/assets/")
        answer = await client.get(address, headers={"Authorization": ""})
        assert (answer.status_code, len(answer.content) > 1000) == (200, True)
    assert "://" not in page
    assert '"validatorUrl": null' in page


async def test_a_cursor_of_another_list_is_refused(client: httpx.AsyncClient) -> None:
    cursor = (await client.get("/v1/things", headers=READER)).json()["nextCursor"]
    answer = await client.get("/v1/dead-letter-messages", params={"cursor": cursor}, headers=READER)
    assert "another one" in _problem(answer, 422, "invalid-request", "cursor")["detail"]
    assert (await client.get("/v1/things", params={"cursor": cursor}, headers=READER)).status_code == 200


async def test_where_the_version_is_optional_it_is_still_checked(client: httpx.AsyncClient) -> None:
    path = f"/v1/things/{uuid4()}"
    assert (await client.delete(path, headers=BOSS)).json() == {"version": None}
    assert (await client.delete(path, headers={**BOSS, "If-Match": '"9"'})).json() == {"version": 9}
    _problem(await client.delete(path, headers={**BOSS, "If-Match": "9"}), 422, "invalid-request", "If-Match")


async def test_patch_changes_sent_fields_and_null_clears_only_optional_ones(
    client: httpx.AsyncClient,
) -> None:
    path, headers = f"/v1/things/{uuid4()}", {"If-Match": "*"}
    answer = await client.patch(path, json={"nickName": None}, headers=headers)
    assert answer.json()["changes"] == {"nick_name": None}
    answer = await client.patch(path, json={"firstName": None}, headers=headers)
    _problem(answer, 422, "invalid-request", "firstName")
    _problem(await client.patch(path, json={}, headers=headers), 422, "invalid-request", "body")


async def test_an_idempotency_key_is_the_clients_own_and_printable(client: httpx.AsyncClient) -> None:
    async def post(key: bytes) -> httpx.Response:
        return await client.post("/v1/things", json={"firstName": "a"}, headers=[(b"Idempotency-Key", key)])

    assert (await post(b"key-1")).headers["seen-key"] == "writer"
    for key in (b"\xe4", b"a\x01b", b"", b"x" * 201):
        answer = await post(key)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"].lower() == "idempotency-key"


async def test_pages_follow_each_other_and_end(client: httpx.AsyncClient) -> None:
    ids: list[str] = []
    parameters: dict[str, Any] = {"limit": 2}
    pages = 0
    while pages == 0 or "cursor" in parameters:
        body = (await client.get("/v1/things", params=parameters, headers=READER)).json()
        ids.extend(item["id"] for item in body["items"])
        pages += 1
        parameters = {"limit": 2, **({"cursor": body["nextCursor"]} if body["nextCursor"] else {})}
    assert (pages, ids) == (3, [str(row.id) for row in ROWS])


@pytest.mark.parametrize(
    "tamper", [lambda c: c[:-3], lambda c: "A" + c, lambda _: "!" * 8, lambda _: "ä", lambda _: "", lambda _: "W10"]
)
async def test_a_cursor_that_was_tampered_with_is_refused(client: httpx.AsyncClient, tamper: Any) -> None:
    cursor = (await client.get("/v1/things", headers=READER)).json()["nextCursor"]
    answer = await client.get("/v1/things", params={"cursor": tamper(cursor)}, headers=READER)
    _problem(answer, 422, "invalid-request", "cursor")


async def test_health_and_metrics_need_no_key(client: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await client.get(path, headers={"Authorization": ""})).status_code == 200
    assert "# TYPE" in (await client.get("/metrics")).text


async def test_readiness_says_what_is_missing(settings: ServiceSettings, db: Database, bus: Bus) -> None:
    readiness = Readiness()
    queue = bus.topology.queue("analytics")
    await bus.sqs.delete_queue(QueueUrl=await bus.queue_url(queue.name))

    async def queue_there() -> str | None:
        return await provisioning.missing(bus, (queue,))

    async def fine() -> str | None:
        return None

    async def broken() -> str | None:
        raise OSError("no route")

    readiness.add("fine", fine)
    readiness.add("broken", broken)
    readiness.add(queue.name, queue_there)
    async with _client(settings, db, readiness) as client:
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        body = answer.json()
        assert body["status"] == "unready"
        assert body["checks"]["fine"] == "ok"
        assert body["checks"]["broken"] == "OSError: no route"
        assert body["checks"][queue.name].startswith("queue bday-analytics does not exist: apply the topology")
        readiness.add("broken", fine)
        await provisioning.apply(bus)
        answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")


async def test_dead_letter_messages_are_listed_newest_first_and_filtered(
    client: httpx.AsyncClient, db: Database
) -> None:
    for queue, body in (("q", "first"), ("q", "second"), ("other", "third")):
        message = ReceivedMessage(body, body, {"eventType": "UserDeleted"}, "receipt", 1, 0.0)
        await dead_letters.keeper(db, queue)([Rejection(message, "poison", "not JSON")])

    async def bodies(**parameters: Any) -> tuple[list[str], str | None]:
        page = (await client.get("/v1/dead-letter-messages", params=parameters, headers=READER)).json()
        return [item["body"] for item in page["items"]], page["nextCursor"]

    newest, cursor = await bodies(limit=2)
    assert newest == ["third", "second"]
    assert await bodies(limit=2, cursor=cursor) == (["first"], None)
    assert (await bodies(queue="other"))[0] == ["third"]
    assert (await bodies(reason="not_applied"))[0] == []
    item = (await client.get("/v1/dead-letter-messages", headers=READER)).json()["items"][0]
    assert (item["reason"], item["detail"], item["attributes"]) == ("poison", "not JSON", {"eventType": "UserDeleted"})
    _problem(await client.get("/v1/dead-letter-messages"), 403, "forbidden", "Authorization")


async def test_a_dead_letter_message_is_redriven_once_and_an_erased_one_never(
    client: httpx.AsyncClient,
    db: Database,
    bus: Bus,
    receive_all: Callable[[str, int], Awaitable[list[dict[str, Any]]]],
) -> None:
    queue = build_topology().queue("analytics")
    await provisioning.apply(bus)
    keep = dead_letters.keeper(db, queue.name)
    for body in ("fine", dead_letters.ERASED_BODY):
        await keep([Rejection(ReceivedMessage(body, body, {"eventType": "X"}, "receipt", 1, 0.0), "poison", "no")])
    erased, fine = (await client.get("/v1/dead-letter-messages", headers=READER)).json()["items"]
    path = "/v1/dead-letter-messages/{}/redrive"
    _problem(await client.post(path.format(erased["id"]), headers=WRITER), 409, "dead-letter-erased")
    _problem(await client.post(path.format(uuid4()), headers=WRITER), 404, "not-found")
    _problem(await client.post(path.format(fine["id"]), headers=READER), 403, "forbidden", "Authorization")
    assert (await client.post(path.format(fine["id"]), headers=WRITER)).status_code == 202

    redrive = DeadLetterRedrive(db, bus, queue, every_seconds=5)
    assert await redrive.step() == 0.0
    assert await redrive.step() == 5
    [message] = await receive_all(queue.name, 1)
    assert (message["Body"], message["MessageAttributes"]["eventType"]["StringValue"]) == ("fine", "X")
    assert (await client.get(f"/v1/dead-letter-messages/{fine['id']}", headers=READER)).status_code == 404


async def test_a_dead_letter_message_is_read_and_discarded(client: httpx.AsyncClient, db: Database) -> None:
    await dead_letters.keeper(db, "q")([Rejection(ReceivedMessage("m", "b", {}, "receipt", 1, 0.0), "poison", "no")])
    [item] = (await client.get("/v1/dead-letter-messages", headers=READER)).json()["items"]
    path = f"/v1/dead-letter-messages/{item['id']}"
    assert (await client.get(path, headers=READER)).json() == item
    _problem(await client.delete(path, headers=READER), 403, "forbidden", "Authorization")
    assert (await client.delete(path, headers=WRITER)).status_code == 204
    _problem(await client.delete(path, headers=WRITER), 404, "not-found")
    _problem(await client.get(path, headers=READER), 404, "not-found")


async def test_openapi_documents_problems_and_needs_no_key(client: httpx.AsyncClient) -> None:
    schema = (await client.get("/openapi.json", headers={"Authorization": ""})).json()
    assert "Problem" in schema["components"]["schemas"]
    patch_responses = schema["paths"]["/v1/things/{thing_id}"]["patch"]["responses"]
    for status in ("400", "401", "403", "412", "422", "428", "500", "503"):
        assert patch_responses[status]["content"].keys() == {PROBLEM}


async def test_a_process_without_the_api_role_answers_health_alone(settings: ServiceSettings, db: Database) -> None:
    app = create_app(
        "sample",
        routers=(),
        problems=PROBLEMS,
        keys=settings.api_keys,
        readiness=Readiness(),
        database=db,
        clock=ManualClock(datetime(2026, 11, 23, tzinfo=UTC)),
        outbox=Outbox(),
        cache=ReadCache(None, prefix="sample"),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/v1/dead-letter-messages", headers=READER)).status_code == 404
        assert (await client.get("/openapi.json")).status_code == 404
