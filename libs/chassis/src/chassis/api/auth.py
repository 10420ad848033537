"""Bearer API keys with scopes, kept as SHA-256 hashes in the configuration (RFC 6750)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from chassis.core.errors import ForbiddenError, UnauthenticatedError
from chassis.core.settings import ApiKey, Scope

_bearer = HTTPBearer(auto_error=False, description="An API key. Scopes: read, write; admin may do everything.")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking."""

    name: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or "admin" in self.scopes


class Keyring:
    """The configured keys. A key has 256 bits of hash to be found by, so a look-up gives nothing away by its timing."""

    def __init__(self, keys: Sequence[ApiKey]) -> None:
        self._by_hash = {key.sha256: Principal(key.name, key.scopes) for key in keys}

    def holder(self, authorization: str | None) -> Principal:
        """Who sent this ``Authorization`` header.

        Raises:
            UnauthenticatedError: no key, another scheme, or an unknown key.
        """
        scheme, _, secret = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise UnauthenticatedError("send `Authorization: Bearer <api key>`")
        principal = self._by_hash.get(hashlib.sha256(secret.strip().encode()).hexdigest())
        if principal is None:
            raise UnauthenticatedError("this key is not known")
        return principal


async def authenticate(
    request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Principal:
    """The holder of the request's key. Raises UnauthenticatedError, see :meth:`Keyring.holder`."""
    keyring: Keyring = request.app.state.keyring
    return keyring.holder(request.headers.get("authorization"))


CurrentPrincipal = Annotated[Principal, Depends(authenticate)]


class Requires:
    """A dependency that lets through only keys with ``scope``. Raises ForbiddenError for the others."""

    def __init__(self, scope: Scope) -> None:
        self._scope: Scope = scope

    async def __call__(self, principal: CurrentPrincipal) -> Principal:
        if not principal.may(self._scope):
            raise ForbiddenError(f"the key {principal.name!r} lacks the scope `{self._scope}`")
        return principal


PUBLIC: dict[str, Any] = {"security": []}
"""As ``openapi_extra`` of a route: it is answered without an API key. Its path must have no parameters. Something else
protects what it shows, such as a token in its query."""


def public_paths(routers: Sequence[APIRouter]) -> frozenset[str]:
    """Return the paths of the routes that are marked :data:`PUBLIC`."""
    return frozenset(
        route.path
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute) and (route.openapi_extra or {}).get("security") == []
    )


READ = Depends(Requires("read"))
WRITE = Depends(Requires("write"))
ADMIN = Depends(Requires("admin"))
