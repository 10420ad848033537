"""A web site beside an API: it answers whatever is not the API's."""

from fastapi import FastAPI
from starlette.routing import Match, Mount
from starlette.types import ASGIApp, Scope

_OURS = frozenset({"v1", "docs", "openapi.json", "healthz", "readyz", "metrics"})
"""First segments of paths that are the API's also where no route of it matches: a 404 or 405 there is a problem."""


class _Site(Mount):
    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        first, _, _ = str(scope.get("path", "")).lstrip("/").partition("/")
        return (Match.NONE, {}) if first in _OURS else super().matches(scope)


def mount_site(app: FastAPI, site: ASGIApp) -> None:
    """Have ``site`` answer at ``/``. The last thing to be added to ``app``."""
    app.router.routes.append(_Site("/", app=site))
