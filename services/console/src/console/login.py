"""Logging in with an API key, and out. Plain HTML: a client without a session gets no state on the server."""

import math
from html import escape
from typing import Annotated

import structlog
from fastapi import APIRouter, Form, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from chassis.api.auth import Keyring
from chassis.core.errors import UnauthenticatedError
from console.markup import plain_page
from console.session_middleware import LOGIN, SESSION, cookie_of
from console.sessions import COOKIE, FailureLimit, Sessions

log = structlog.get_logger(__name__)

MAX_KEY_CHARACTERS = 512

_FORM = """<form method="post" action="{action}">
<p class="brand"><svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="9"/>
<path d="M12 3a9 9 0 0 1 0 18z"/></svg>Almanac</p>
<h1>Log in</h1>
{error}
<label for="key">API key</label>
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus maxlength="{longest}"
 spellcheck="false" aria-describedby="about"{invalid}>
<p id="about" class="hint">A key with the scope <code>read</code> may look, one with <code>write</code> may act.</p>
<input type="hidden" name="next" value="{next}">
<button type="submit" class="button primary">Log in</button>
</form>"""


def login_routes(keyring: Keyring, sessions: Sessions, failures: FailureLimit) -> APIRouter:
    """``/login`` and ``/logout``."""
    routes = APIRouter(include_in_schema=False)

    @routes.get(LOGIN)
    async def form(request: Request, then: Annotated[str, Query(alias="next", max_length=2_000)] = "/") -> Response:
        if request.scope[SESSION] is not None:
            return RedirectResponse(_local(then), 303)
        return _page(then)

    @routes.post(LOGIN)
    async def log_in(
        request: Request,
        key: Annotated[str, Form(max_length=MAX_KEY_CHARACTERS)] = "",
        then: Annotated[str, Form(alias="next", max_length=2_000)] = "/",
    ) -> Response:
        address = request.client.host if request.client else ""
        if wait := failures.wait_seconds(address):
            seconds = math.ceil(wait)
            log.warning("console login held off", client=address, seconds=seconds)
            held = _page(then, f"Too many wrong keys. Try again in {seconds} s.", status=429)
            held.headers["Retry-After"] = str(seconds)
            return held
        try:
            principal = keyring.holder(f"Bearer {key}")
        except UnauthenticatedError:
            failures.failed(address)
            log.warning("console login refused", client=address, reason="unknown key")
            return _page(then, "This key is not known.", status=401)
        if not principal.may("read"):
            failures.failed(address)
            log.warning("console login refused", client=address, by=principal.name, reason="lacks the scope read")
            return _page(then, "This key lacks the scope read.", status=403)
        sessions.end(cookie_of(request.headers))
        log.info("console login", by=principal.name, scopes=sorted(principal.scopes), client=address)
        entered = RedirectResponse(_local(then), 303)
        entered.set_cookie(
            COOKIE,
            sessions.open(principal, key.strip()),
            max_age=int(sessions.seconds),
            path="/",
            httponly=True,
            samesite="strict",
            secure=_is_secure(request),
        )
        return entered

    @routes.post("/logout")
    async def log_out(request: Request) -> Response:
        if session := sessions.end(cookie_of(request.headers)):
            log.info("console logout", by=session.name)
        answer = RedirectResponse(LOGIN, 303)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict", secure=_is_secure(request))
        return answer

    return routes


def _is_secure(request: Request) -> bool:
    # Behind a proxy that ends TLS. A client that forges the header only keeps its own cookie from plain HTTP.
    # Several proxies list what each was asked by, the browser's first.
    asked_by = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    return request.url.scheme == "https" or asked_by == "https"


def _local(path: str) -> str:
    """``path`` where it is one of this site, else the first page: a login must not lead elsewhere."""
    plain = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and "\\" not in path
    return path if plain else "/"


def _page(then: str, error: str | None = None, *, status: int = 200) -> HTMLResponse:
    shown = f'<p id="error" class="error" role="alert">{escape(error)}</p>' if error else ""
    form = _FORM.format(
        action=LOGIN,
        error=shown,
        invalid=' aria-invalid="true"' if error else "",
        longest=MAX_KEY_CHARACTERS,
        next=escape(_local(then), quote=True),
    )
    return HTMLResponse(plain_page("Log in", form), status, headers={"Cache-Control": "no-store"})
