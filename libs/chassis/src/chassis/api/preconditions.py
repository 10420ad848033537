"""``ETag``, ``If-Match`` and ``Idempotency-Key`` (RFC 9110 §13, design §8)."""

import re
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from pydantic import JsonValue

from chassis.api.auth import CurrentPrincipal
from chassis.errors import InvalidParameterError, PreconditionRequiredError
from chassis.idempotency import IdempotencyKey

_ETAG = re.compile(r'"([0-9]{1,18})"')
_PRINTABLE = r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$"
_IF_MATCH: dict[str, JsonValue] = {"format": "etag", "examples": ["*", '"3"']}


def set_etag(response: Response, version: int) -> None:
    response.headers["ETag"] = f'"{version}"'


async def _if_match(
    if_match: Annotated[
        str | None,
        Header(description="The `ETag` that was read, or `*`.", json_schema_extra=_IF_MATCH),
    ] = None,
) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    match = _ETAG.fullmatch(if_match.strip())
    if match is None:
        raise InvalidParameterError("If-Match", 'must be an ETag as given, like "3", or *')
    return int(match[1])


OptionalVersion = Annotated[int | None, Depends(_if_match)]
"""The version that the client has read; None where it said ``*`` or nothing."""


async def _required_if_match(request: Request, version: OptionalVersion) -> int | None:
    if "If-Match" not in request.headers:
        raise PreconditionRequiredError("send the ETag of what you have read as If-Match, or * to write over anything")
    return version


ExpectedVersion = Annotated[int | None, Depends(_required_if_match)]
"""The version that the client has read; None where it said ``*``. A missing header is a 428."""


async def _idempotency_key(
    request: Request,
    principal: CurrentPrincipal,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=200,
            description="One key, one resource, for 48 hours.",
            json_schema_extra={"pattern": _PRINTABLE},
        ),
    ] = None,
) -> IdempotencyKey | None:
    if idempotency_key is None:
        return None
    if not idempotency_key.isprintable() or not idempotency_key.isascii():
        raise InvalidParameterError("Idempotency-Key", "must be printable ASCII")
    route = f"{request.method} {request.url.path}"
    return IdempotencyKey.of(principal.name, idempotency_key, route, await request.body())


OptionalIdempotencyKey = Annotated[IdempotencyKey | None, Depends(_idempotency_key)]
