"""Logging in and out, and what those meet who have not."""

import re
from collections.abc import Iterator

import pytest
import structlog
from fake_services import browser
from structlog.testing import capture_logs

from chassis.api.auth import Principal
from console.sessions import COOKIE, MAX_SESSIONS, FailureLimit, Sessions
from console.site import OpenConsole


@pytest.fixture
def logs() -> Iterator[list[structlog.typing.EventDict]]:
    with capture_logs() as captured:
        yield captured


async def test_who_is_not_logged_in_is_led_to_the_login_and_back(console: OpenConsole) -> None:
    async with browser(console) as http:
        asked = await http.get("/?minutes=5", follow_redirects=False)
        assert (asked.status_code, asked.headers["location"]) == (303, "/login?next=%2F%3Fminutes%3D5")
        form = await http.get(asked.headers["location"])
        assert '<label for="key">' in form.text
        entered = await http.post("/login", data={"key": "reader", "next": "/?minutes=5"}, follow_redirects=False)
        assert (entered.status_code, entered.headers["location"]) == (303, "/?minutes=5")


@pytest.mark.parametrize("elsewhere", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "/\n/x"])
async def test_a_login_leads_nowhere_else(console: OpenConsole, elsewhere: str) -> None:
    async with browser(console) as http:
        answer = await http.post("/login", data={"key": "reader", "next": elsewhere}, follow_redirects=False)
        assert answer.headers["location"] == "/"


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites_and_does_not_have_the_key(
    console: OpenConsole,
) -> None:
    async with browser(console) as http:
        answer = await http.post("/login", data={"key": "writer"}, follow_redirects=False)
        cookie = answer.headers["set-cookie"].lower()
        assert {"httponly", "samesite=strict", "path=/"} <= {part.strip() for part in cookie.split(";")}
        assert "writer" not in cookie
        assert "secure" not in cookie
        for said in ("https", "HTTPS, http"):
            behind_tls = await http.post(
                "/login", data={"key": "writer"}, headers={"x-forwarded-proto": said}, follow_redirects=False
            )
            assert "; secure" in behind_tls.headers["set-cookie"].lower()


async def test_a_forged_cookie_opens_nothing(console: OpenConsole) -> None:
    async with browser(console) as http:
        value = (await http.post("/login", data={"key": "writer"}, follow_redirects=False)).cookies[COOKIE]
    name, _, signature = value.partition(".")
    for forged in (name, f"{name}.{signature[::-1]}", f"x{value}", "", "a.b"):
        async with browser(console, cookie=f"{COOKIE}={forged}") as other:
            assert (await other.get("/", follow_redirects=False)).headers["location"] == "/login"


async def test_after_a_logout_the_cookie_opens_nothing(console: OpenConsole) -> None:
    async with browser(console) as http:
        value = (await http.post("/login", data={"key": "writer"}, follow_redirects=False)).cookies[COOKIE]
        assert (await http.get("/")).status_code == 200
        await http.post("/logout")
    async with browser(console, cookie=f"{COOKIE}={value}") as again:
        assert (await again.get("/", follow_redirects=False)).status_code == 303


async def test_a_wrong_key_and_one_without_the_scope_read_are_refused_in_words(
    console: OpenConsole, logs: list[structlog.typing.EventDict]
) -> None:
    async with browser(console) as http:
        unknown = await http.post("/login", data={"key": "nobody's"})
        assert (unknown.status_code, "This key is not known." in unknown.text) == (401, True)
        blind = await http.post("/login", data={"key": "blind"})
        assert (blind.status_code, "lacks the scope read" in blind.text) == (403, True)
        assert COOKIE not in http.cookies
    told = [entry for entry in logs if entry["event"] == "console login refused"]
    assert [entry["reason"] for entry in told] == ["unknown key", "lacks the scope read"]
    assert "nobody's" not in repr(logs)


async def test_guessing_keys_is_held_off_even_for_a_right_one(console: OpenConsole) -> None:
    async with browser(console) as http:
        for _ in range(10):
            assert (await http.post("/login", data={"key": "guess"})).status_code == 401
        held = await http.post("/login", data={"key": "writer"})
        assert held.status_code == 429
        assert 0 < int(held.headers["retry-after"]) <= 60


async def test_another_site_can_neither_log_in_nor_out(console: OpenConsole) -> None:
    async with browser(console, origin="https://evil.example") as http:
        for address in ("/login", "/logout"):
            assert (await http.post(address, data={"key": "writer"})).status_code == 403
    async with browser(console, origin="http://console") as http:
        assert (await http.post("/login", data={"key": "writer"}, follow_redirects=False)).status_code == 303


async def test_a_link_from_elsewhere_is_asked_for_again_by_our_own_page(console: OpenConsole) -> None:
    async with browser(console, **{"sec-fetch-site": "cross-site"}) as http:
        answer = await http.get("/", follow_redirects=False)
        assert (answer.status_code, 'http-equiv="refresh"' in answer.text) == (200, True)


async def test_anonymous_can_reach_only_login_and_assets(console: OpenConsole) -> None:
    async with browser(console, accept="*/*") as http:
        form = await http.get("/login")
        for address in re.findall(r'(?:href|src)="(/assets/[^"]+)"', form.text):
            asset = await http.get(address)
            assert asset.status_code == 200
            assert "immutable" in asset.headers["cache-control"]
        for address in ("/", "/_nicegui_ws/socket.io/?EIO=4&transport=polling", "/nowhere"):
            assert (await http.get(address)).status_code == 401
        assert "frame-ancestors 'none'" in form.headers["content-security-policy"]


def test_a_session_ends_after_its_hours() -> None:
    now = [0.0]
    sessions = Sessions(hours=1, now=lambda: now[0])
    cookie = sessions.open(Principal("ada", frozenset({"read"})), "secret")
    session = sessions.find(cookie)
    assert session is not None
    assert "secret" not in repr(session)
    now[0] = 3_599
    assert sessions.alive(session)
    now[0] = 3_600
    assert sessions.find(cookie) is None
    assert session.ended


def test_the_oldest_session_ends_where_there_are_too_many() -> None:
    sessions = Sessions(hours=1)
    principal = Principal("ada", frozenset({"read"}))
    cookies = [sessions.open(principal, "secret") for _ in range(MAX_SESSIONS + 1)]
    assert sessions.find(cookies[0]) is None
    assert sessions.find(cookies[1]) is not None


@pytest.mark.parametrize(
    ("scopes", "acts", "administers"),
    [({"read"}, False, False), ({"read", "write"}, True, False), ({"admin"}, True, True)],
)
def test_what_a_session_may_do_follows_from_its_keys_scopes(scopes: set[str], acts: bool, administers: bool) -> None:
    sessions = Sessions(hours=1)
    session = sessions.find(sessions.open(Principal("ada", frozenset(scopes)), "secret"))  # type: ignore[arg-type]
    assert session is not None
    assert (session.may_act, session.may_administer) == (acts, administers)


def test_login_failures_expire_after_a_minute_and_are_counted_by_address_and_in_total() -> None:
    now = [0.0]
    limit = FailureLimit(per_address=2, in_all=3, now=lambda: now[0])
    limit.failed("a")
    now[0] = 10
    limit.failed("a")
    assert limit.wait_seconds("a") == 50
    assert limit.wait_seconds("b") == 0
    limit.failed("b")
    assert limit.wait_seconds("c") == 50
    now[0] = 60
    assert limit.wait_seconds("a") == 0
