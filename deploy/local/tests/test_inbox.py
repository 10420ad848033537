"""The inbox verifies signatures, keeps what came, and shows it."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from standardwebhooks import Webhook

from local_stack.inbox.server import Inbox, Verifier
from local_stack.inbox.store import ReceiptStore, read_receipts

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = json.dumps({"type": "event.birthday", "data": {"message": "Hey, Zoë it's your birthday"}}, ensure_ascii=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text(SECRET)
    return tmp_path


def _client(folder: Path) -> httpx.AsyncClient:
    app = Inbox(ReceiptStore(folder / "received.ndjson"), Verifier(folder / "secret"))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://inbox")


@pytest.fixture
async def client(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with _client(folder) as client:
        yield client


def _signed(webhook_id: str, body: str = BODY, secret: str = SECRET, at: datetime | None = None) -> dict[str, str]:
    at = at or datetime.now(UTC)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, at, body),
    }


async def test_a_signed_webhook_is_accepted_and_appended_to_the_file(client: httpx.AsyncClient, folder: Path) -> None:
    answer = await client.post("/hooks", content=BODY.encode(), headers=_signed("w1"))
    assert answer.status_code == 204
    [line] = (folder / "received.ndjson").read_text().splitlines()
    fields = json.loads(line)
    assert list(fields) == ["webhookId", "receivedAt", "verified", "body"]
    assert (fields["webhookId"], fields["verified"], fields["body"]) == ("w1", True, json.loads(BODY))
    assert datetime.fromisoformat(fields["receivedAt"]).tzinfo is not None


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="none"),
        pytest.param({"webhook-id": "w"}, id="no-signature"),
        pytest.param(_signed("w", body="{}"), id="of-another-body"),
        pytest.param(_signed("w", secret="whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), id="with-another-secret"),
        pytest.param(_signed("w", at=datetime(2020, 1, 1, tzinfo=UTC)), id="of-long-ago"),
        pytest.param({**_signed("w"), "webhook-id": "other"}, id="of-another-id"),
        pytest.param({**_signed("w"), "webhook-signature": "v1,%%%"}, id="not-base64"),
        pytest.param({**_signed("w"), "webhook-signature": "nonsense"}, id="of-no-form"),
    ],
)
async def test_a_wrong_signature_is_refused_and_recorded_as_unverified(
    client: httpx.AsyncClient, folder: Path, headers: dict[str, str]
) -> None:
    assert (await client.post("/hooks", content=BODY.encode(), headers=headers)).status_code == 401
    assert [receipt.verified for receipt in read_receipts(folder / "received.ndjson")] == [False]
    assert (await client.get("/counts")).json() == {"received": 1, "unverified": 1, "repeated": 0}


async def test_a_body_that_is_no_json_is_kept_as_text(client: httpx.AsyncClient, folder: Path) -> None:
    await client.post("/hooks", content=b"\xff no json", headers=_signed("w"))
    assert read_receipts(folder / "received.ndjson")[0].body == "\ufffd no json"


async def test_one_of_several_signatures_is_enough_while_a_secret_is_rotated(client: httpx.AsyncClient) -> None:
    headers = _signed("w")
    headers["webhook-signature"] = f"v1,{'A' * 43}= {headers['webhook-signature']}"
    assert (await client.post("/hooks", content=BODY.encode(), headers=headers)).status_code == 204


async def test_a_secret_that_comes_or_changes_later_is_used_without_a_restart(tmp_path: Path) -> None:
    other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    async with _client(tmp_path) as client:
        assert (await client.post("/hooks", content=BODY.encode(), headers=_signed("w1"))).status_code == 401
        for secret in (SECRET, other):
            (tmp_path / "secret").write_text(secret)
            headers = _signed("w2", secret=secret)
            assert (await client.post("/hooks", content=BODY.encode(), headers=headers)).status_code == 204


async def test_repeated_webhook_ids_are_counted(client: httpx.AsyncClient) -> None:
    for webhook_id in ("a", "b", "a", "a"):
        await client.post("/hooks", content=BODY.encode(), headers=_signed(webhook_id))
    assert (await client.get("/counts")).json() == {"received": 4, "unverified": 0, "repeated": 2}


async def test_restarted_inbox_continues_where_its_file_ends(folder: Path) -> None:
    for expected in (1, 2):
        async with _client(folder) as client:
            await client.post("/hooks", content=BODY.encode(), headers=_signed("same"))
            counts = (await client.get("/counts")).json()
            assert counts == {"received": expected, "unverified": 0, "repeated": expected - 1}
    with (folder / "received.ndjson").open("a") as file:
        file.write('{"webhookId": "cut sho')
    async with _client(folder) as client:
        assert (await client.get("/counts")).json()["received"] == 2
    assert len(read_receipts(folder / "received.ndjson")) == 2


async def test_receipts_are_paged_in_order_of_arrival(client: httpx.AsyncClient) -> None:
    for number in range(5):
        await client.post("/hooks", content=BODY.encode(), headers=_signed(f"w{number}"))
    first = (await client.get("/received", params={"after": 0, "limit": 3})).json()
    rest = (await client.get("/received", params={"after": first["next"], "limit": 3})).json()
    assert [item["webhookId"] for item in first["items"] + rest["items"]] == ["w0", "w1", "w2", "w3", "w4"]
    nothing_new = (await client.get("/received", params={"after": rest["next"]})).json()
    assert (nothing_new["items"], nothing_new["next"]) == ([], 5)
    newest = (await client.get("/received", params={"newest": 2})).json()
    assert [item["webhookId"] for item in newest["items"]] == ["w3", "w4"]
    assert (await client.get("/received", params={"after": "x"})).status_code == 400


async def test_the_page_needs_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    page = await client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "http://" not in page.text
    assert "https://" not in page.text


async def test_a_body_over_the_limit_is_refused_and_not_kept(client: httpx.AsyncClient) -> None:
    assert (await client.post("/hooks", content=b"x" * (1 << 20) + b"x")).status_code == 413
    assert (await client.get("/counts")).json()["received"] == 0
