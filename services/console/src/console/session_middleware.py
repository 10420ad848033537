"""What stands before every page: a session, our own origin, and headers that keep a browser on this machine."""

from collections.abc import Callable
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote, urlsplit

import nicegui
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.sessions import COOKIE, Session, Sessions

SESSION = "almanac.session"
"""Where a request's scope has its session."""

LOGIN = "/login"
OPEN = (LOGIN, "/assets/", "/favicon.ico")
"""Paths that need no session."""

# The page's framework compiles templates in the browser and keeps its state in an inline script.
_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_FOREVER = ("/assets/", f"/_nicegui/{nicegui.__version__}/")
"""Addresses that change with what they lead to."""

# A link from a chat or a mail brings no strict cookie along; what our own page asks for next does.
_AGAIN = '<!doctype html><html lang="en"><title>Almanac</title><meta http-equiv="refresh" content="{}">'


def cookie_of(headers: Headers) -> str | None:
    """The session cookie's value, None where there is none."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return None if found is None else found.value


def same_origin(headers: Headers) -> bool:
    """Whether a browser says that one of our own pages asks; others than browsers need not say it."""
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


class Gate:
    """ASGI middleware around the whole site."""

    def __init__(self, app: ASGIApp, *, sessions: Sessions, started: Callable[[], bool]) -> None:
        self._app = app
        self._sessions = sessions
        self._started = started

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        session = self._sessions.find(cookie_of(headers))
        scope[SESSION] = session
        if scope["type"] == "websocket":
            if session is None or not same_origin(headers):
                await send({"type": "websocket.close", "code": 1008})
                return
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer.update(_HEADERS)
                if message["status"] == HTTPStatus.OK and str(scope["path"]).startswith(_FOREVER):
                    answer["Cache-Control"] = "private, max-age=31536000, immutable"
            await send(message)

        refusal = self._refusal(scope, headers, session)
        await (refusal or self._app)(scope, receive, guarded)

    def _refusal(self, scope: Scope, headers: Headers, session: Session | None) -> Response | None:
        path = str(scope["path"])
        if scope["method"] not in ("GET", "HEAD") and not same_origin(headers):
            return PlainTextResponse("not from another site", 403)
        if session is not None or any(path == each or (each.endswith("/") and path.startswith(each)) for each in OPEN):
            # The server may listen a moment before pages can be built.
            return None if session is None or self._started() else HTMLResponse(_AGAIN.format(1), 503)
        if "text/html" not in headers.get("accept", "") or scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("log in first", 401)
        if headers.get("sec-fetch-site") == "cross-site":
            return HTMLResponse(_AGAIN.format(0))
        query = scope["query_string"].decode("latin-1")
        wanted = path + (f"?{query}" if query else "")
        return RedirectResponse(LOGIN if wanted == "/" else f"{LOGIN}?next={quote(wanted, safe='')}", 303)
