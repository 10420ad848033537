"""What is let in: nothing under ``/v1`` without a key (but for public paths) or with an unknown parameter, and no body
that is too long, too slow, too deep or not text.
"""

import asyncio
import math
import re
from collections.abc import Callable, Collection, Iterator
from http import HTTPStatus
from itertools import islice
from typing import Any
from weakref import WeakKeyDictionary

from fastapi import Depends, HTTPException, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.api.auth import Keyring
from chassis.api.fault_limits import MAX_FAULTS
from chassis.api.pages import name_list
from chassis.api.problems import BodyRefusedError, FieldError, InvalidRequestError, answer_failure, problem_of
from chassis.core.errors import UnauthenticatedError

MAX_BODY_BYTES = 1024 * 1024
MAX_BODY_SECONDS = 30.0
MAX_DEPTH = 32
"""Of objects and lists in each other. PostgreSQL and JSON libraries take more, but none of them says how much."""
MAX_INTEGER = 2**63 - 1
MAX_VALUES = 20_000
"""JSON values in a body, however deep: a batch of 1,000 events with 20 values each. Half a million of them fit into
1 MB, and take a second to parse and to judge."""
_PROTECTED = "/v1"
_BODY = "almanac.body"
_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")


class Intake:
    """ASGI middleware: the key comes before the body, and the body has bounds.

    HEAD is answered wherever GET is; the server leaves the body out. An error of the application is answered here: what
    passes Starlette's own handler is raised on, and costs the client its connection and the log a second traceback.
    """

    def __init__(self, app: ASGIApp, *, keyring: Keyring, public: Collection[str] = ()) -> None:
        self._app = app
        self._public = public
        self._keyring = keyring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _protected(scope["path"]) and scope["path"] not in self._public:
            try:
                self._keyring.holder(_header(scope, b"authorization"))
            except UnauthenticatedError as error:
                await problem_of(error)(scope, receive, send)
                return
        body = _BoundedBody(scope, receive)
        scope[_BODY] = body
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, body.receive, watched)
        except ClientDisconnect:
            return
        except Exception as error:
            response = answer_failure(Request(scope), error)
            # An answer that has begun cannot be taken back: the server sees that it does not end, and closes.
            if not started:
                await response(scope, receive, send)


def _protected(path: str) -> bool:
    return path == _PROTECTED or path.startswith(f"{_PROTECTED}/")


class _BoundedBody:
    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self._announced = _header(scope, b"content-length")
        self._taken = 0
        self._deadline: float | None = None
        self._ended = False
        self._parts: list[bytes] | None = [] if _is_json(_header(scope, b"content-type")) else None
        self.bounded = True

    async def receive(self) -> Message:
        if self._ended or not self.bounded:
            return await self._receive()
        if self._announced is not None and self._announced.isdigit() and int(self._announced) > MAX_BODY_BYTES:
            raise _refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body may have {MAX_BODY_BYTES} bytes")
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + MAX_BODY_SECONDS
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            detail = f"the body has not come within {MAX_BODY_SECONDS:g} s"
            raise _refused(HTTPStatus.REQUEST_TIMEOUT, detail) from None
        part = message.get("body", b"")
        self._taken += len(part)
        self._ended = not message.get("more_body", False)
        if self._taken > MAX_BODY_BYTES:
            raise _refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body may have {MAX_BODY_BYTES} bytes")
        if self._parts is not None:
            self._parts.append(part)
            if self._ended and has_many_values(b"".join(self._parts)):
                raise BodyRefusedError(
                    [FieldError(field="body", detail=f"must not have more than {MAX_VALUES} values")]
                )
        return message


def has_many_values(body: bytes, limit: int = MAX_VALUES) -> bool:
    """Whether a JSON text has more than ``limit`` values, without parsing it (5 ms for 1 MB)."""
    if body.count(b",") + body.count(b"[") + body.count(b"{") < limit:
        return False
    unescaped = body.replace(rb"\\", b"").replace(rb"\"", b"")
    # A value has two strings at most: its name and itself.
    if unescaped.count(b'"') > 4 * limit:
        return True
    # Outside of strings each value follows a comma or is the first of a list or an object, but for the outermost.
    rest = b"".join(unescaped.split(b'"')[::2])
    first = rest.count(b"[") - rest.count(b"[]") + rest.count(b"{") - rest.count(b"{}")
    return rest.count(b",") + first >= limit


def _refused(status: HTTPStatus, detail: str) -> HTTPException:
    # The rest of the body is not read, so the connection cannot be used again.
    return HTTPException(status, detail, headers={"Connection": "close"})


def _header(scope: Scope, name: bytes) -> str | None:
    found: bytes | None = next((value for key, value in scope["headers"] if key == name), None)
    return None if found is None else found.decode("latin-1")


async def _unbounded(request: Request) -> None:
    request.scope[_BODY].bounded = False


UNBOUNDED_BODY = Depends(_unbounded)
"""For a route that reads its body as a stream, with bounds of its own."""


async def _storable(request: Request) -> None:
    faults = [fault for name, value in request.query_params.multi_items() for fault in _faults(value, (name,), 0)]
    route = request.scope.get("route")
    if (
        isinstance(route, APIRoute)
        and route.body_field is not None
        and _is_json(request.headers.get("content-type"))
        and await request.body()
        # FastAPI has parsed it by now, and the request remembers the result.
        and not _is_storable(body := await request.json())
    ):
        faults.extend(islice(_faults(body, (), 0), MAX_FAULTS))
    if faults:
        raise InvalidRequestError(faults[:MAX_FAULTS])


STORABLE = Depends(_storable)
"""Refuses what PostgreSQL or JSON cannot hold, wherever it is: U+0000, half a surrogate pair, NaN, what is too deep."""


async def _known(request: Request) -> None:
    route = request.scope.get("route")
    if isinstance(route, APIRoute):
        name_list(route.path)
    if not request.query_params or not isinstance(route, APIRoute) or not _protected(request.scope["path"]):
        return
    if (names := _names.get(route.endpoint)) is None:
        names = _names[route.endpoint] = frozenset(_parameters(route.dependant))
    if unknown := request.query_params.keys() - names:
        taken = ", ".join(sorted(names)) or "none"
        detail = f"no parameter of this resource, which takes {taken}"
        raise InvalidRequestError([FieldError(field=name, detail=detail) for name in sorted(unknown)[:MAX_FAULTS]])


KNOWN = Depends(_known)
"""Refuses a parameter that the route does not know: a filter with a typing mistake would find everything."""

_names: WeakKeyDictionary[Callable[..., Any], frozenset[str]] = WeakKeyDictionary()


def _parameters(dependant: Dependant) -> Iterator[str]:
    for field in dependant.query_params:
        model = field.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            yield from (each.alias or name for name, each in model.model_fields.items())
        else:
            yield field.alias
    for each in dependant.dependencies:
        yield from _parameters(each)


def _is_json(content_type: str | None) -> bool:
    media_type = (content_type or "").partition(";")[0].strip().lower()
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))


def _is_storable(body: Any) -> bool:
    """Whether :func:`_faults` would find nothing, in a tenth of its time."""
    level = [body]
    for depth in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for value in level:
            if isinstance(value, str):
                if _FORBIDDEN.search(value):
                    return False
            elif isinstance(value, list | dict):
                if depth == MAX_DEPTH or (isinstance(value, dict) and any(map(_FORBIDDEN.search, value))):
                    return False
                below.extend(value if isinstance(value, list) else value.values())
            elif isinstance(value, int):
                if not -MAX_INTEGER - 1 <= value <= MAX_INTEGER:
                    return False
            elif value is not None and not math.isfinite(value):
                return False
        level = below
    return True


def _faults(value: Any, path: tuple[str, ...], depth: int) -> Iterator[FieldError]:
    if isinstance(value, str):
        if found := _FORBIDDEN.search(value):
            yield _fault(path, f"must not contain the character U+{ord(found[0]):04X}")
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int):
        if not -MAX_INTEGER - 1 <= value <= MAX_INTEGER:
            yield _fault(path, "must be an integer of 64 bits")
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield _fault(path, "must be a finite number")
    elif depth == MAX_DEPTH:
        yield _fault(path, f"must not be nested deeper than {MAX_DEPTH}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _faults(each, (*path, str(index)), depth + 1)
    else:
        for name, each in value.items():
            if found := _FORBIDDEN.search(name):
                yield _fault(path, f"must not have a name with the character U+{ord(found[0]):04X}")
            else:
                yield from _faults(each, (*path, name), depth + 1)


def _fault(path: tuple[str, ...], detail: str) -> FieldError:
    return FieldError(field=".".join(path) or "body", detail=detail)
