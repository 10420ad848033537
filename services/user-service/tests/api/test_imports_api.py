"""Imports: the results of the lines of a body, and the response."""

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from contracts.identity import derive_id
from user_service.application import imports

Stored = Callable[[], Awaitable[Mapping[str, list[Any]]]]
Import = Callable[..., Awaitable[httpx.Response]]

CSV = "text/csv"
NDJSON = "application/x-ndjson"
HEADER = b"firstName,lastName,dateOfBirth,timezone,deliveryTime,email,phone,tags\n"
GRACE = b"Grace,Hopper,1906-12-09,America/New_York,,grace@example.org,,navy;cobol\n"


@pytest.fixture
def send(api: httpx.AsyncClient) -> Import:
    """`await send(body, media_type, key=None)`: import a body."""

    async def post(body: bytes, media_type: str, key: str | None = None) -> httpx.Response:
        headers = {"Content-Type": media_type, "Idempotency-Key": key or str(uuid4())}
        return await api.post("/v1/imports", content=body, headers=headers)

    return post


async def test_each_line_of_a_csv_file_becomes_a_user_that_is_announced(
    api: httpx.AsyncClient, send: Import, stored: Stored
) -> None:
    answer = await send(
        HEADER + GRACE + b'"Ada ""Augusta""","King, Countess",1815-12-10,Europe/London,08:30,,,\r\n', CSV
    )
    assert answer.status_code == 200
    job = answer.json()
    path = f"/v1/imports/{job['id']}"
    assert job == {
        "id": job["id"],
        "status": "completed",
        "format": "csv",
        "mode": "upsert",
        "rows": 2,
        "created": 2,
        "updated": 0,
        "unchanged": 0,
        "refused": 0,
        "missing": None,
        "errorsUrl": f"{path}/errors",
        "startedAt": job["startedAt"],
        "updatedAt": job["updatedAt"],
    }
    assert (await api.get(path)).json() == job
    assert (await api.get(f"{path}/errors")).json() == {"items": [], "nextCursor": None}

    grace = (await api.get(f"/v1/users/{derive_id(UUID(job['id']), '2')}")).json()
    assert {name: grace[name] for name in ("firstName", "dateOfBirth", "email", "phone", "tags", "deliveryTime")} == {
        "firstName": "Grace",
        "dateOfBirth": "1906-12-09",
        "email": "grace@example.org",
        "phone": None,
        "tags": ["cobol", "navy"],
        "deliveryTime": "09:00:00",
    }
    ada = (await api.get(f"/v1/users/{derive_id(UUID(job['id']), '3')}")).json()
    assert (ada["firstName"], ada["lastName"], ada["deliveryTime"]) == ('Ada "Augusta"', "King, Countess", "08:30:00")

    announced = [json.loads(row.item) for row in (await stored())["outbox"] if row.type == "UserCreated"]
    assert [(item["userId"], item["version"], item["firstName"]) for item in announced] == [
        (user["id"], user["version"], user["firstName"]) for user in (grace, ada)
    ]


async def test_each_line_of_ndjson_is_what_a_post_of_a_user_takes(
    api: httpx.AsyncClient, send: Import, ada: dict[str, Any], stored: Stored
) -> None:
    wedding = {"label": "Wedding", "date": "2015-07-08", "important": True}
    lines = [ada, ada | {"anniversaries": [wedding]}]
    job = (await send("\n".join(json.dumps(line) for line in lines).encode(), NDJSON)).json()
    assert (job["status"], job["format"], job["created"]) == ("completed", "ndjson", 2)
    user = (await api.get(f"/v1/users/{derive_id(UUID(job['id']), '2')}")).json()
    assert {name: user[name] for name in ada} == ada
    [anniversary] = user["anniversaries"]
    assert anniversary == {"id": anniversary["id"], **wedding}
    single = (await api.post("/v1/users", json=lines[1])).json()
    last, posted = (json.loads(row.item) for row in (await stored())["outbox"][1:])
    for item in (last, posted):
        item["anniversaries"][0].pop("anniversaryId")
        assert item.pop("userId") in {user["id"], single["id"]}
        assert item.pop("itemId")
        item.pop("traceparent", None)
    assert last == posted


async def test_columns_may_come_in_any_order_and_some_not_at_all(api: httpx.AsyncClient, send: Import) -> None:
    body = b"\xef\xbb\xbftimezone, lastName,firstName,dateOfBirth\r\n\r\nUTC,Hopper,Grace,1906-12-09"
    job = (await send(body, f"{CSV}; charset=utf-8")).json()
    assert (job["rows"], job["created"]) == (1, 1)
    user = (await api.get(f"/v1/users/{derive_id(UUID(job['id']), '3')}")).json()
    assert (user["firstName"], user["lastName"], user["timezone"], user["tags"]) == ("Grace", "Hopper", "UTC", [])


async def test_a_bad_line_is_listed_with_its_number_and_faults_and_the_others_are_created(
    api: httpx.AsyncClient, send: Import, stored: Stored
) -> None:
    long = b"x" * 70_000
    body = HEADER + b"".join(
        [
            GRACE,
            b",Hopper,1906-02-30,mars,25:00,grace,,Navy\n",
            b"Grace,Hopper\n",
            b"\n",
            b"Gr\xe9ce,Hopper,1906-12-09,UTC,,,,\n",
            b'"Grace,Hopper,1906-12-09,UTC,,,,\n',
            b"Grace," + long + b",1906-12-09,UTC,,,,\n",
            b"Grace,Hopper,9999-12-09,Asia/Tokyo,,,,\n",
            GRACE,
        ]
    )
    job = (await send(body, CSV)).json()
    assert (job["status"], job["rows"], job["created"], job["refused"]) == ("completed", 8, 2, 6)
    listed = (await api.get(job["errorsUrl"])).json()
    assert listed["nextCursor"] is None
    faults = {each["line"]: {error["field"]: error["detail"] for error in each["errors"]} for each in listed["items"]}
    assert {line: set(found) for line, found in faults.items()} == {
        3: {"firstName", "dateOfBirth", "timezone", "deliveryTime", "email", "tags.0"},
        4: {"line"},
        6: {"line"},
        7: {"line"},
        8: {"line"},
        9: {"dateOfBirth"},
    }
    assert "day" in faults[3]["dateOfBirth"]
    assert faults[4]["line"] == "2 values where the header names 8 columns"
    assert faults[6]["line"] == "not UTF-8: byte 3 of the line"
    assert faults[7]["line"].startswith("not CSV: ")
    assert faults[8]["line"] == "longer than 65536 bytes"
    assert "in Asia/Tokyo it is" in faults[9]["dateOfBirth"]
    tables = await stored()
    assert len(tables["users"]) == len(tables["outbox"]) == 2


async def test_a_line_that_is_no_object_is_refused_alone(
    api: httpx.AsyncClient, send: Import, ada: dict[str, Any]
) -> None:
    good = json.dumps(ada).encode()
    bad = [b"{", b"[]", b"null", b'{"firstName": "\xff"}', good + good, b"[" * 60_000, b"{" + b" " * 70_000 + b"}"]
    job = (await send(b"\n".join([*bad, good, b" ", b"\r", good, b""]), NDJSON)).json()
    assert (job["rows"], job["created"], job["refused"]) == (len(bad) + 2, 2, len(bad))
    listed = (await api.get(job["errorsUrl"])).json()["items"]
    assert [each["line"] for each in listed] == [1, 2, 3, 4, 5, 6, 7]
    assert {error["field"] for each in listed for error in each["errors"]} == {"line"}


async def test_a_line_with_very_many_faults_keeps_the_first(api: httpx.AsyncClient, send: Import) -> None:
    job = (await send(json.dumps({f"field-{number}": 0 for number in range(500)}).encode(), NDJSON)).json()
    [refused] = (await api.get(job["errorsUrl"])).json()["items"]
    [fault] = refused["errors"]
    assert fault["detail"].startswith("has 500 unknown fields, among them 'field-0'")
    line = {"tags": ["!"] * 20, "anniversaries": [{}] * 20}
    job = (await send(json.dumps(line).encode(), NDJSON)).json()
    [refused] = (await api.get(job["errorsUrl"])).json()["items"]
    assert len(refused["errors"]) == 10


async def test_refused_lines_are_paged_and_counted_beyond_those_that_are_kept(
    api: httpx.AsyncClient, send: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "CHUNK_ROWS", 2)
    monkeypatch.setattr(imports, "MAX_KEPT_ERRORS", 5)
    job = (await send(b"{}\n" * 150, NDJSON)).json()
    assert (job["rows"], job["refused"]) == (150, 150)
    lines: list[int] = []
    cursor: str | None = None
    while True:
        query: dict[str, str | int] = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await api.get(job["errorsUrl"], params=query)).json()
        assert len(page["items"]) <= 2
        lines += [each["line"] for each in page["items"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert lines == [1, 2, 3, 4, 5]


async def test_imports_are_listed_newest_first(api: httpx.AsyncClient, send: Import) -> None:
    jobs = [(await send(b"", NDJSON)).json() for _ in range(3)]
    assert {job["status"] for job in jobs} == {"completed"}
    first = (await api.get("/v1/imports", params={"limit": 2})).json()
    second = (await api.get("/v1/imports", params={"limit": 2, "cursor": first["nextCursor"]})).json()
    assert [*first["items"], *second["items"]] == jobs[::-1]
    assert second["nextCursor"] is None


async def test_a_completed_import_creates_nothing_more(send: Import, stored: Stored) -> None:
    body = HEADER + GRACE
    job = (await send(body, CSV, "once")).json()
    before = await stored()
    again = await send(body, CSV, "once")
    assert (again.status_code, again.json() | {"updatedAt": ""}) == (200, job | {"updatedAt": ""})
    for other in (body + GRACE, body[:-5], HEADER + GRACE.replace(b"Grace", b"Alice"), HEADER):
        _refused(await send(other, CSV, "once"), 422, "body", "import-body-changed")
    _refused(await send(b"{}", NDJSON, "once"), 422, "Idempotency-Key", "idempotency-key-reused")
    after = await stored()
    assert {name: after[name] for name in ("users", "outbox")} == {name: before[name] for name in ("users", "outbox")}


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (b"", "firstName is missing"),
        (b"firstName,lastName,dateOfBirth\n", "timezone is missing"),
        (b"firstName,lastName,dateOfBirth,timezone,nick\n", "'nick' is not a column"),
        (b"firstName,lastName,dateOfBirth,timezone,anniversaries\n", "'anniversaries' is not a column"),
        (b"firstName,lastName,dateOfBirth,timezone,firstName\n", "firstName is there twice"),
        (b"first_name,lastName,dateOfBirth,timezone\n", "firstName is missing"),
        (b'firstName,lastName,dateOfBirth,"timezone\n', "not CSV"),
        (b"firstName,lastName,dateOfBirth,timezone,t\xe4gs\n", "not UTF-8: byte 42"),
        (b"\xff\xfef\x00i\x00\n\x00", "'fi' is not a column"),
        (b"firstName;lastName;dateOfBirth,timezone\n", "'dateOfBirth,timezone' is not a column"),
        (b"x" * 70_000 + b"\n", "longer than 65536 bytes"),
        (GRACE, "'Grace' is not a column"),
    ],
)
async def test_a_bad_header_is_refused_and_begins_nothing(
    api: httpx.AsyncClient, send: Import, header: bytes, told: str
) -> None:
    answer = await send(header + GRACE, CSV)
    _refused(answer, 422, "header", "import-header")
    assert told in answer.json()["detail"]
    assert "firstName,lastName,dateOfBirth,timezone, and any of" in answer.json()["detail"]
    assert (await api.get("/v1/imports")).json()["items"] == []


@pytest.mark.parametrize("media_type", ["", "application/json", "text/plain", "text/csvx"])
async def test_another_content_type_is_not_supported(api: httpx.AsyncClient, send: Import, media_type: str) -> None:
    _refused(await send(HEADER + GRACE, media_type), 415, "Content-Type", "import-format")
    assert (await api.get("/v1/imports")).json()["items"] == []


async def test_a_compressed_body_is_not_supported(api: httpx.AsyncClient) -> None:
    headers = {"Content-Type": CSV, "Content-Encoding": "gzip", "Idempotency-Key": "k"}
    _refused(await api.post("/v1/imports", content=b"\x1f\x8b", headers=headers), 415, "Content-Type", "import-format")


@pytest.mark.parametrize("key", [None, "", "x" * 201, "\tx\x7f"])
async def test_an_import_needs_a_key_to_be_known_again_by(api: httpx.AsyncClient, key: str | None) -> None:
    headers = {"Content-Type": CSV} | ({} if key is None else {"Idempotency-Key": key})
    answer = await api.post("/v1/imports", content=HEADER + GRACE, headers=headers)
    _refused(answer, 422, "Idempotency-Key")
    assert (await api.get("/v1/imports")).json()["items"] == []


async def test_two_clients_may_use_the_same_key(api: httpx.AsyncClient, send: Import) -> None:
    ours = (await send(HEADER + GRACE, CSV, "same")).json()
    headers = {"Authorization": "Bearer writer", "Content-Type": CSV, "Idempotency-Key": "same"}
    theirs = await api.post("/v1/imports", content=HEADER + GRACE + GRACE, headers=headers)
    assert (theirs.status_code, theirs.json()["created"]) == (200, 2)
    assert theirs.json()["id"] != ours["id"]


async def test_an_unknown_import_is_not_found(api: httpx.AsyncClient) -> None:
    path = f"/v1/imports/{uuid4()}"
    for answer in (await api.get(path), await api.get(f"{path}/errors")):
        _refused(answer, 404, "importId", "import-not-found")


async def test_a_bad_cursor_is_refused(api: httpx.AsyncClient, send: Import) -> None:
    errors = (await send(b"", NDJSON)).json()["errorsUrl"]
    for path, cursor in ((errors, "none"), (errors, "-1"), (errors, "9" * 20), ("/v1/imports", "none")):
        _refused(await api.get(path, params={"cursor": cursor}), 422, "cursor")


async def test_a_key_does_only_what_its_scopes_say(api: httpx.AsyncClient, send: Import) -> None:
    errors = (await send(b"", NDJSON)).json()["errorsUrl"]
    reader = {"Authorization": "Bearer reader", "Content-Type": NDJSON, "Idempotency-Key": "k"}
    _refused(await api.post("/v1/imports", content=b"", headers=reader), 403, "Authorization", "forbidden")
    for path in ("/v1/imports", errors, errors.removesuffix("/errors")):
        refused = await api.get(path, headers={"Authorization": "Bearer writer"})
        _refused(refused, 403, "Authorization", "forbidden")
        unknown = await api.get(path, headers={"Authorization": "Bearer nobody"})
        _refused(unknown, 401, "Authorization", "unauthenticated")


async def test_the_body_is_documented(api: httpx.AsyncClient) -> None:
    route = (await api.get("/openapi.json")).json()["paths"]["/v1/imports"]["post"]
    assert set(route["requestBody"]["content"]) == {CSV, NDJSON, "application/vnd.ms-excel"}
    assert {"200", "408", "409", "415", "422"} <= set(route["responses"])
    [key] = [each for each in route["parameters"] if each["name"] == "Idempotency-Key"]
    assert key["required"]


def _refused(answer: httpx.Response, status: int, field: str, slug: str = "invalid-request") -> None:
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (status, f"urn:almanac:problem:{slug}"), answer.text
    assert [error["field"].lower() for error in problem["errors"]] == [field.lower()]


PLAIN_HEADER = "firstName,lastName,dateOfBirth,timezone,tags"


async def _imported(
    api: httpx.AsyncClient, answer: httpx.Response
) -> tuple[list[tuple[str, str]], list[tuple[int, str]]]:
    """First and last names of those that were created, in the file's order, and each refused line with its fault."""
    assert answer.status_code == 200, answer.text
    job = answer.json()
    users = (await api.get("/v1/users", params={"limit": 200})).json()["items"]
    users.sort(key=lambda user: int(user["tags"][0].removeprefix("line-")) if user["tags"] else 0)
    refused = (await api.get(job["errorsUrl"])).json()["items"]
    assert (job["created"], job["refused"]) == (len(users), len(refused))
    names = [(user["firstName"], user["lastName"]) for user in users]
    return names, [(each["line"], f"{each['errors'][0]['field']}: {each['errors'][0]['detail']}") for each in refused]


async def test_a_quote_that_is_open_bare_or_stray_is_a_refused_line_and_never_two_people(
    api: httpx.AsyncClient, send: Import
) -> None:
    lines = [
        '"Ada\nMarie",Lovelace,1990-12-10,UTC',
        'Ada",Lovelace,1990-12-10,UTC',
        'A"d"a,Lovelace,1990-12-10,UTC',
        '"Ada"x,Lovelace,1990-12-10,UTC',
        ' "Ada",Lovelace,1990-12-10,UTC',
        'Ada,Lovelace,1990-12-10,"UTC',
        '"Ada ""the first""",Lovelace,1990-12-10,UTC',
    ]
    body = "\n".join(["firstName,lastName,dateOfBirth,timezone", *lines]).encode()
    names, refused = await _imported(api, await send(body, CSV))
    assert names == [('Ada "the first"', "Lovelace")]
    assert [line for line, _ in refused] == [2, 3, 4, 5, 6, 7, 8]
    assert all(fault.startswith("line: not CSV: a value with a quote") for _, fault in refused)


async def test_what_spreadsheets_add_to_a_table_is_left_out(api: httpx.AsyncClient, send: Import) -> None:
    body = (
        f"{PLAIN_HEADER},\r\n"
        " Ada , Lovelace , 1990-12-10 , Europe/London , line-1; vip ,\r\n"
        ",,,,,\r\n"
        " , ,\t, ,,\r\n"
        "Grace,Hopper,1906-12-09\u00a0,\u2003UTC,line-2,,,\r\n"
        "Alan,Turing,1912-06-23,UTC,line-3,x\r\n"
        ",,,,,"
    )
    names, refused = await _imported(api, await send(body.encode(), CSV))
    assert names == [("Ada", "Lovelace"), ("Grace", "Hopper")]
    assert refused == [(6, "line: 6 values where the header names 5 columns")]
    assert (await api.get("/v1/users?tag=vip")).json()["items"][0]["timezone"] == "Europe/London"


@pytest.mark.parametrize(
    ("media_type", "codec"),
    [
        ("text/csv", "utf-8"),
        ("text/csv; charset=utf-8", "utf-8-sig"),
        ("text/csv", "utf-16"),
        ("text/csv; charset=utf-16", "utf-16"),
        ('text/csv; charset="UTF-16LE"', "utf-16-le"),
        ("text/csv;charset=utf-16be", "utf-16-be"),
        ("text/csv; header=present; charset=Windows-1252", "cp1252"),
        ("text/csv; charset=iso-8859-1", "latin-1"),
        ("application/vnd.ms-excel; charset=windows-1252", "cp1252"),
        ("application/vnd.ms-excel", "utf-8"),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
async def test_a_file_is_read_in_its_charset_and_with_its_delimiter(
    api: httpx.AsyncClient, send: Import, media_type: str, codec: str, delimiter: str
) -> None:
    rows = [PLAIN_HEADER.split(","), ["Zoë", "Ångström", "1990-12-10", "UTC", '"line-1;new"']]
    body = "\r\n".join(delimiter.join(row) for row in rows).encode(codec)
    names, refused = await _imported(api, await send(body, media_type))
    assert (names, refused) == ([("Zoë", "Ångström")], [])


async def test_bytes_that_are_not_of_the_charset_spoil_their_line_alone(api: httpx.AsyncClient, send: Import) -> None:
    body = b"firstName,lastName,dateOfBirth,timezone\nZo\xeb,A,1990-12-10,UTC\nZo\x81,B,1990-12-10,UTC\n"
    names, refused = await _imported(api, await send(body, "text/csv; charset=windows-1252"))
    assert names == [("Zoë", "A")]
    assert refused == [(3, "line: not windows-1252: character 3 of the line")]


@pytest.mark.parametrize("charset", ["utf-7", "ebcdic", "base64"])
async def test_a_charset_that_is_not_taken_is_named_with_those_that_are(
    api: httpx.AsyncClient, send: Import, charset: str
) -> None:
    answer = await send(HEADER + GRACE, f"text/csv; charset={charset}")
    _refused(answer, 415, "Content-Type", "import-format")
    assert "windows-1252" in answer.json()["detail"]
    _refused(await send(HEADER + GRACE, "text/csv; charset=utf-16"), 415, "Content-Type", "import-format")


async def test_an_import_with_a_nul_in_a_key_refuses_that_line_alone(
    api: httpx.AsyncClient, send: Import, ada: dict[str, Any]
) -> None:
    lines = [json.dumps(ada)] * 9
    lines[4:4] = [json.dumps(ada | {"a\x00b": 1})]
    answer = await send("\n".join(lines).encode(), NDJSON)
    job = answer.json()
    assert (answer.status_code, job["status"], job["created"], job["refused"]) == (200, "completed", 9, 1)
    [refused] = (await api.get(job["errorsUrl"])).json()["items"]
    assert (refused["line"], refused["errors"][0]["field"]) == (5, "a\ufffdb")


async def test_lines_of_any_shape_are_bounded_before_they_are_built(
    api: httpx.AsyncClient, send: Import, ada: dict[str, Any]
) -> None:
    tags = {"first": [0] * 900, "second": ["x"] * 16_000, "third": [[]] * 16_000}
    lines = [json.dumps(ada | {"tags": each}, separators=(",", ":")) for each in tags.values()] * 40
    begun = time.thread_time()
    job = (await send("\n".join(lines).encode(), NDJSON)).json()
    csv = "\n".join([PLAIN_HEADER, *["Ada,L,1990-12-10,UTC," + "a;" * 30_000, "x," * 30_000] * 40]).encode()
    other = (await send(csv, CSV)).json()
    assert (job["refused"], other["refused"], job["created"] + other["created"]) == (120, 80, 0)
    assert time.thread_time() - begun < 2  # they took 100 s
    faults = {each["errors"][0]["field"]: each["errors"][0]["detail"] for each in await _errors(api, job, other)}
    assert faults.keys() == {"tags", "line"}
    assert faults["line"] == "must not have more than 1000 values"
    assert faults["tags"].startswith("Tuple should have at most 20 items") or faults["tags"].startswith("List")


async def _errors(api: httpx.AsyncClient, *jobs: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for job in jobs for each in (await api.get(f"{job['errorsUrl']}?limit=200")).json()["items"]]
