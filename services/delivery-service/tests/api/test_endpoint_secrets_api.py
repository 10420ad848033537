"""Secrets, custom headers and addresses of endpoints: accepted, refused, and never shown again."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from delivery_scene import look_up_by_heart
from sqlalchemy import text
from structlog.testing import capture_logs

from chassis.database.database import Database
from chassis.service.runtime import Runtime
from delivery_service.adapters import endpoints
from delivery_service.adapters.secret_cipher import SecretCipher
from delivery_service.adapters.ssrf_guard import SsrfGuard
from delivery_service.application import key_rotation
from delivery_service.application.endpoints import Security
from delivery_service.application.key_rotation import KeyRotation
from delivery_service.domain.addresses import AllowList
from delivery_service.domain.signing import KEY_BYTES
from delivery_service.main import SERVICE
from delivery_service.settings import Settings

URL = "https://example.org/hooks"
SLACK = "https://hooks.slack.com/services/T0/B0/very-secret"
OWN = "whsec_" + b64encode(b"s" * 32).decode()
OWN_KEY = "whsk_" + b64encode(b"s" * 32).decode()
CIPHER = SecretCipher([b"k" * KEY_BYTES])


async def create(api: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await api.post("/v1/endpoints", json={"url": URL, **fields})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def at_rest(database: Database) -> str:
    """The whole table as text."""
    async with database.read() as connection:
        rows = await connection.execute(text("SELECT CAST(to_jsonb(p) AS text) FROM endpoints p"))
        return "\n".join(rows.scalars())


async def secrets_of(database: Database, endpoint: dict[str, Any]) -> list[str]:
    async with database.read() as connection:
        found = await endpoints.find(connection, CIPHER, UUID(endpoint["id"]))
    assert found is not None
    return [each.value for each in found.secrets]


def faults(answer: httpx.Response) -> list[str]:
    return [error["field"] for error in answer.json()["errors"]]


async def test_nothing_confidential_is_in_the_database_or_in_a_later_answer(
    api: httpx.AsyncClient, runtime: Runtime[Settings]
) -> None:
    headers = {"Authorization": "Bearer of-the-receiver", "X-Team": "almanac"}
    created = await create(api, headers=headers)
    slack = await create(api, kind="slack", url=SLACK)
    assert created["headerNames"] == ["Authorization", "X-Team"]
    assert (slack["url"], slack["secret"], slack["note"]) == (
        "https://hooks.slack.com/…",
        None,
        "An endpoint of this kind signs nothing.",
    )
    shown = (await api.get("/v1/endpoints")).text + (await api.get(f"/v1/endpoints/{created['id']}")).text
    stored = await at_rest(runtime.database)
    for secret in (created["secret"], "of-the-receiver", "very-secret"):
        assert secret not in shown
        assert secret not in stored
    assert await secrets_of(runtime.database, created) == [created["secret"]]


async def test_a_client_may_bring_its_own_secret(api: httpx.AsyncClient, runtime: Runtime[Settings]) -> None:
    created = await create(api, secret=OWN)
    assert (created["secret"], created["signatureAlgorithm"]) == (None, "hmac-sha256")
    assert "the one that was sent" in created["note"]
    assert await secrets_of(runtime.database, created) == [OWN]


@pytest.mark.parametrize("fields", [{}, {"secret": OWN_KEY}])
async def test_an_asymmetric_endpoint_shows_its_public_key_alone(
    api: httpx.AsyncClient, fields: dict[str, str]
) -> None:
    created = await create(api, signatureAlgorithm="ed25519", **fields)
    assert (created["secret"], created["signatureAlgorithm"]) == (None, "ed25519")
    assert created["publicKey"].startswith("whpk_")
    assert "never leaves" in created["note"]
    assert (await api.get(f"/v1/endpoints/{created['id']}")).json()["publicKey"] == created["publicKey"]


async def test_a_rotation_shows_the_new_secret_and_keeps_the_old_one_for_a_while(
    api: httpx.AsyncClient, runtime: Runtime[Settings]
) -> None:
    created = await create(api)
    path = f"/v1/endpoints/{created['id']}"
    stale = await api.post(f"{path}/rotate-secret", json={}, headers={"If-Match": '"7"'})
    assert stale.status_code == 412
    answer = await api.post(f"{path}/rotate-secret", json={"overlapSeconds": 3600}, headers={"If-Match": '"1"'})
    rotated = answer.json()
    assert (answer.status_code, answer.headers["etag"], answer.headers["cache-control"]) == (200, '"2"', "no-store")
    assert rotated["secret"].startswith("whsec_")
    assert await secrets_of(runtime.database, created) == [rotated["secret"], created["secret"]]
    until = datetime.fromisoformat(rotated["previousSecretUntil"])
    assert timedelta(minutes=59) < until - datetime.now(UTC) < timedelta(minutes=61)
    assert rotated["secret"] not in (await api.get(path)).text
    own = (await api.post(f"{path}/rotate-secret", json={"secret": OWN, "overlapSeconds": 0})).json()
    assert (own["secret"], own["previousSecretUntil"]) == (None, None)
    assert await secrets_of(runtime.database, created) == [OWN]
    at_once = await api.post(f"{path}/rotate-secret")
    assert at_once.json()["previousSecretUntil"] is not None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"overlapSeconds": -1}, "overlapSeconds"),
        ({"overlapSeconds": 604_801}, "overlapSeconds"),
        ({"overlapSeconds": "60"}, "overlapSeconds"),
        ({"secret": OWN_KEY}, "secret"),
        ({"secret": OWN}, "secret"),
        ({"secret": ""}, "secret"),
        ({"algorithm": "ed25519"}, "algorithm"),
    ],
)
async def test_a_bad_rotation_changes_nothing(
    api: httpx.AsyncClient, runtime: Runtime[Settings], body: dict[str, Any], field: str
) -> None:
    created = await create(api, secret=OWN)
    answer = await api.post(f"/v1/endpoints/{created['id']}/rotate-secret", json=body)
    assert (answer.status_code, faults(answer)) == (422, [field])
    assert OWN not in answer.text
    assert await secrets_of(runtime.database, created) == [OWN]


async def test_what_signs_nothing_has_nothing_to_rotate(api: httpx.AsyncClient) -> None:
    slack = await create(api, kind="slack", url=SLACK)
    answer = await api.post(f"/v1/endpoints/{slack['id']}/rotate-secret", json={})
    assert (answer.status_code, faults(answer)) == (422, ["endpointId"])


async def test_too_many_secrets_at_a_time_are_refused(api: httpx.AsyncClient) -> None:
    created = await create(api)
    path = f"/v1/endpoints/{created['id']}/rotate-secret"
    statuses = [(await api.post(path, json={})).status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 200, 409]


@pytest.mark.parametrize(
    ("fields", "field", "rule"),
    [
        ({"url": "http://10.0.0.1/"}, "url", "private"),
        ({"url": "http://[::ffff:8.8.8.8]/"}, "url", "public"),
        ({"url": "http://169.254.169.254/latest"}, "url", "metadata service"),
        ({"url": "https://vault.internal/"}, "url", "private"),
        ({"url": "https://nowhere.invalid/"}, "url", "cannot be resolved"),
        ({"secret": "whsec_mine"}, "secret", "base64"),
        ({"secret": OWN_KEY}, "secret", "begins with whsec_"),
        ({"signatureAlgorithm": "rsa"}, "signatureAlgorithm", "ed25519"),
        ({"headers": {"Host": "example.org"}}, "headers.Host", "set by Almanac or by HTTP"),
        ({"headers": {"webhook-signature": "v1,x"}}, "headers.webhook-signature", "set by Almanac or by HTTP"),
        ({"headers": {"Content-Length": "0"}}, "headers.Content-Length", "set by Almanac or by HTTP"),
        ({"headers": {"X Team": "a"}}, "headers.X Team", "no spaces"),
        ({"headers": {"X-Team": "a\r\nX-Other: b"}}, "headers.X-Team", "printable ASCII"),
        ({"headers": {"X-Team": " "}}, "headers.X-Team", "printable ASCII"),
        ({"headers": {"X-Team": "a", "x-team": "b"}}, "headers.x-team", "twice"),
        ({"headers": {"X-Team": ""}}, "headers.X-Team", "at least 1"),
        ({"headers": {f"X-{number}": "a" for number in range(21)}}, "headers", "at most 20"),
        ({"kind": "pigeon"}, "kind", "webhook"),
        ({"kind": "sms"}, "url", "has no URL"),
        ({"kind": "slack", "url": "http://hooks.slack.com/services/T"}, "url", "https://"),
        ({"kind": "slack", "headers": {"X-Team": "a"}}, "headers", "has no headers"),
        (
            {"kind": "email", "url": None, "operationalEvents": ["endpoint.disabled"]},
            "operationalEvents",
            "operational events",
        ),
        (
            {"kind": "sms", "url": None, "operationalEvents": ["endpoint.disabled"]},
            "operationalEvents",
            "operational events",
        ),
        ({"subject": "{message}"}, "subject", "has no subject"),
        ({"text": "{message}"}, "text", "has no text"),
        ({"kind": "slack", "html": "<p>"}, "html", "has no html"),
        ({"kind": "slack", "text": "a\u0007"}, "text", "control characters"),
        (
            {"kind": "sms", "url": None, "text": "a" * 1_601},
            "text",
            "at most 1600 characters where kind is sms",
        ),
        ({"url": "https://\U0001f4a9.la/"}, "url", "not valid in IDNA 2008"),
        ({"url": "https://\uff11\uff10.0.0.1/"}, "url", "private"),
        ({"kind": "slack", "secret": OWN}, "secret", "signs nothing"),
        ({"kind": "slack", "signatureAlgorithm": "ed25519"}, "signatureAlgorithm", "signs nothing"),
    ],
)
async def test_what_is_refused_is_named_with_its_rule_and_stores_nothing(
    api: httpx.AsyncClient, runtime: Runtime[Settings], fields: dict[str, Any], field: str, rule: str
) -> None:
    answer = await api.post("/v1/endpoints", json={"url": URL, **fields})
    assert (answer.status_code, faults(answer)) == (422, [field]), answer.text
    assert rule in answer.json()["errors"][0]["detail"]
    assert await at_rest(runtime.database) == ""


async def test_a_port_that_is_not_open_is_refused_with_those_that_are(runtime: Runtime[Settings]) -> None:
    app = SERVICE.app(runtime)
    ports = Settings.model_fields["webhook_allowed_ports"].default
    app.state.security = Security(SsrfGuard(AllowList(ports=ports), lookup=look_up_by_heart), CIPHER)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test", headers={"Authorization": "Bearer editor"}
    ) as api:
        created = await create(api, url="https://example.org:8443/hooks")
        closed = {"url": "http://example.org:22/"}
        posted = await api.post("/v1/endpoints", json=closed)
        patched = await api.patch(f"/v1/endpoints/{created['id']}", json=closed, headers={"If-Match": "*"})
        for answer in (posted, patched):
            assert (answer.status_code, faults(answer)) == (422, ["url"])
            assert answer.json()["errors"][0]["detail"] == "port must be one of 80, 443, 8080, 8443"
        assert (await api.get("/v1/endpoints")).json()["items"] == [
            {name: value for name, value in created.items() if name not in ("secret", "note")}
        ]


async def test_an_update_to_a_url_that_leads_nowhere_is_refused(api: httpx.AsyncClient) -> None:
    created = await create(api)
    for url in ("http://10.0.0.1/", "https://cipher.internal/", "https://nowhere.invalid/"):
        answer = await api.patch(f"/v1/endpoints/{created['id']}", json={"url": url}, headers={"If-Match": "*"})
        assert (answer.status_code, faults(answer)) == (422, ["url"])
    assert (await api.get(f"/v1/endpoints/{created['id']}")).json()["url"] == URL


async def test_headers_are_changed_one_by_one_without_being_seen(
    api: httpx.AsyncClient, runtime: Runtime[Settings]
) -> None:
    created = await create(api, headers={"Authorization": "Bearer first", "X-Team": "a"})
    path, anything = f"/v1/endpoints/{created['id']}", {"If-Match": "*"}
    changed = await api.patch(
        path, json={"headers": {"authorization": "Bearer second", "X-More": "b"}}, headers=anything
    )
    assert sorted(changed.json()["headerNames"]) == ["X-More", "X-Team", "authorization"]
    same = await api.patch(path, json={"headers": {"X-More": "b"}}, headers=anything)
    assert same.headers["etag"] == changed.headers["etag"]
    removed = await api.patch(path, json={"headers": {"X-Team": None}}, headers=anything)
    assert sorted(removed.json()["headerNames"]) == ["X-More", "authorization"]
    bad = await api.patch(path, json={"headers": {"Host": "b"}}, headers=anything)
    assert (bad.status_code, faults(bad)) == (422, ["headers.Host"])
    none = await api.patch(path, json={"headers": None}, headers=anything)
    assert none.json()["headerNames"] == []


async def test_an_endpoint_is_switched_off_with_a_reason_and_on_again(api: httpx.AsyncClient) -> None:
    created = await create(api)
    path = f"/v1/endpoints/{created['id']}"
    off = await api.post(f"{path}/disable", json={"reason": "moving"})
    assert [off.json()[name] for name in ("enabled", "disabledReason", "version")] == [False, "moving", 2]
    assert off.json()["disabledAt"] is not None
    assert (await api.post(f"{path}/disable", json={"reason": "moving"})).json() == off.json()
    on = await api.post(f"{path}/enable")
    assert [on.json()[name] for name in ("enabled", "disabledReason", "disabledAt")] == [True, None, None]
    assert (await api.post(f"{path}/disable")).json()["disabledReason"] is None
    for action in ("enable", "disable", "rotate-secret"):
        missing = await api.post(f"/v1/endpoints/{UUID(int=0)}/{action}")
        assert (missing.status_code, faults(missing)) == (404, ["endpointId"])


async def test_key_rotation_encrypts_every_endpoint_with_the_first_key(
    api: httpx.AsyncClient, runtime: Runtime[Settings]
) -> None:
    created = [await create(api) for _ in range(3)]
    both = SecretCipher([b"n" * KEY_BYTES, b"k" * KEY_BYTES])
    assert await KeyRotation(runtime.database, both).step() > 60
    async with runtime.database.read() as connection:
        found = await endpoints.newest(connection, SecretCipher([b"n" * KEY_BYTES]), None, 10)
    assert {each.secrets[0].value for each in found} == {each["secret"] for each in created}
    assert {each.version for each in found} == {1}


async def test_key_rotation_passes_over_an_unreadable_endpoint(
    api: httpx.AsyncClient, runtime: Runtime[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_rotation, "BATCH", 1)
    created = [await create(api) for _ in range(3)]
    # Ids are in the order of creation: the first of the pass is the one that stopped all others.
    await lose_key(runtime, created[0]["id"])
    rotation = KeyRotation(runtime.database, SecretCipher([b"n" * KEY_BYTES, b"k" * KEY_BYTES]))
    with capture_logs() as logs:
        while await rotation.step() < 60:
            pass
    async with runtime.database.read() as connection:
        found = await endpoints.newest(connection, SecretCipher([b"n" * KEY_BYTES]), None, 10)
    assert [str(each.id) for each in found if each.config.unreadable] == [created[0]["id"]]
    assert [(each["event"], each["endpoint_ids"]) for each in logs if each["log_level"] == "warning"] == [
        ("endpoints cannot be decrypted with any of SECRET_KEYS", [created[0]["id"]])
    ]
    assert "all endpoints" not in str(logs)


async def lose_key(runtime: Runtime[Settings], endpoint_id: str, encrypted: str = "1.00000000.AAAA") -> None:
    async with runtime.database.transaction() as tx:
        await tx.execute(
            text("UPDATE endpoints SET sealed = :text WHERE id = :id"), {"text": encrypted, "id": endpoint_id}
        )


@pytest.mark.parametrize("encrypted", ["1.00000000.AAAA", "", "1", "2.x.y", "1..", "1.00000000.%", "AAAA"])
async def test_endpoint_with_a_lost_key_is_listed_as_unreadable_beside_the_others(
    api: httpx.AsyncClient, runtime: Runtime[Settings], encrypted: str
) -> None:
    lost, other = await create(api, headers={"X-Team": "a"}), await create(api, headers={"X-Team": "a"})
    await lose_key(runtime, lost["id"], encrypted)
    listed = await api.get("/v1/endpoints")
    assert listed.status_code == 200
    shown = {each["id"]: each for each in listed.json()["items"]}
    assert {name: shown[lost["id"]][name] for name in ("unreadable", "headerNames", "signatureAlgorithm", "url")} == {
        "unreadable": True, "headerNames": [], "signatureAlgorithm": None, "url": lost["url"],
    }  # fmt: skip
    assert (shown[other["id"]]["unreadable"], shown[other["id"]]["headerNames"]) == (False, ["X-Team"])
    one = await api.get(f"/v1/endpoints/{lost['id']}")
    assert (one.status_code, one.json()) == (200, shown[lost["id"]])


async def test_unreadable_endpoint_keeps_its_encrypted_fields_while_others_change(
    api: httpx.AsyncClient, runtime: Runtime[Settings]
) -> None:
    created = await create(api, headers={"X-Team": "a"})
    path, anything = f"/v1/endpoints/{created['id']}", {"If-Match": "*"}
    async with runtime.database.read() as connection:
        [kept] = (await connection.execute(text("SELECT sealed FROM endpoints"))).scalars()
    await lose_key(runtime, created["id"])
    changed = await api.patch(path, json={"description": "moving", "url": "https://example.org/new"}, headers=anything)
    assert [changed.json()[name] for name in ("description", "url", "unreadable")] == [
        "moving",
        "https://example.org/new",
        True,
    ]
    assert (await api.post(f"{path}/disable")).json()["enabled"] is False
    assert (await api.post(f"{path}/enable")).json()["enabled"] is True
    for refused in (
        await api.patch(path, json={"headers": {"X-Team": "b"}}, headers=anything),
        await api.post(f"{path}/rotate-secret"),
    ):
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:almanac:problem:secrets-unreadable")
        assert "SECRET_KEYS" in refused.json()["detail"]
    # The key comes back: nothing was lost.
    await lose_key(runtime, created["id"], kept)
    assert (await api.get(path)).json()["headerNames"] == ["X-Team"]
    rotated = await api.post(f"{path}/rotate-secret", json={"overlapSeconds": 60})
    assert rotated.json()["previousSecretUntil"] is not None


async def test_unreadable_slack_endpoint_is_readable_again_with_a_new_url(
    api: httpx.AsyncClient, runtime: Runtime[Settings]
) -> None:
    created = await create(api, kind="slack", url="https://hooks.slack.com/services/T0/B0/one")
    path, anything = f"/v1/endpoints/{created['id']}", {"If-Match": "*"}
    await lose_key(runtime, created["id"])
    off = await api.patch(path, json={"description": "lost"}, headers=anything)
    assert [off.json()[name] for name in ("url", "unreadable", "description")] == [None, True, "lost"]
    new = await api.patch(path, json={"url": "https://hooks.slack.com/services/T0/B0/two"}, headers=anything)
    assert [new.json()[name] for name in ("url", "unreadable")] == ["https://hooks.slack.com/…", False]


async def test_unreadable_endpoint_can_be_deleted(api: httpx.AsyncClient, runtime: Runtime[Settings]) -> None:
    created = await create(api)
    await lose_key(runtime, created["id"])
    assert (await api.delete(f"/v1/endpoints/{created['id']}")).status_code == 204
