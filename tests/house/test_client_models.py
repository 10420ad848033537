"""What the client reads is what the APIs answer: its paths are routes, and replies have the fields that it needs."""

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import pytest

import almanac_client.analytics
import almanac_client.deliveries
import almanac_client.events
import almanac_client.reports
import almanac_client.users
import analytics_service.main
import delivery_service.main
import event_service.main
import user_service.main
from chassis.api import dead_letters, usage
from chassis.api.base import create_base
from chassis.api.health import Readiness
from chassis.api.openapi import document
from chassis.service.service import Service
from contracts.http.model import HttpModel
from contracts.vocabulary import Service as Name

SERVICES: Mapping[Name, Service[Any]] = {
    Name.USER: user_service.main.SERVICE,
    Name.EVENT: event_service.main.SERVICE,
    Name.DELIVERY: delivery_service.main.SERVICE,
    Name.ANALYTICS: analytics_service.main.SERVICE,
}
MODULES: Mapping[Name, ModuleType] = {
    Name.USER: almanac_client.users,
    Name.EVENT: almanac_client.events,
    Name.DELIVERY: almanac_client.deliveries,
    Name.ANALYTICS: almanac_client.analytics,
}


@pytest.fixture(scope="module", params=SERVICES, ids=lambda name: name.value)
def service(request: pytest.FixtureRequest) -> Name:
    name: Name = request.param
    return name


@pytest.fixture(scope="module")
def openapi(service: Name) -> dict[str, Any]:
    """The OpenAPI document of the service."""
    declared = SERVICES[service]
    app = create_base(
        declared.name, keys=(), readiness=Readiness(), problems=declared.problems, routers=declared.routers
    )
    for router in (*declared.routers, dead_letters.router, usage.router):
        app.include_router(router)
    return document(app)


def _calls(module: ModuleType) -> Iterator[tuple[type[HttpModel], str, str, bool]]:
    """Yield model, method, path and whether it is a list, of each call of the transport with a model."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        how, name = node.func.attr, node.args[0]
        if how not in ("get", "send", "create", "page", "pages", "upload") or not isinstance(name, ast.Name):
            continue
        model = getattr(module, name.id, None)
        if not (isinstance(model, type) and issubclass(model, HttpModel)):
            continue
        method = "get"
        at = 1
        if how == "send":
            method, at = ast.literal_eval(node.args[1]).lower(), 2
        elif how in ("create", "upload"):
            method = "post"
        if (path := _path(node.args[at])) is not None:
            yield model, method, path, how in ("page", "pages")


def _path(node: ast.expr) -> str | None:
    """Return a literal path, with ``{}`` in place of its parameters; None for a variable."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(each.value) if isinstance(each, ast.Constant) else "{}" for each in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else None


def _replies(openapi: dict[str, Any], method: str, path: str) -> list[dict[str, Any]]:
    """Return the schemas of the replies of the routes that the path names; an action is one of several."""
    exact, actions = (re.escape(path).replace(r"\{\}", each) for each in (r"\{\w+\}", r"(\{\w+\}|[a-z]+)"))
    routes = [
        [item[method] for name, item in openapi["paths"].items() if re.fullmatch(pattern, name) and method in item]
        for pattern in (exact, actions)
    ]
    return [
        _resolved(openapi, media["schema"])
        for route in routes[0] or routes[1]
        for status, response in route["responses"].items()
        if status.startswith("2")
        for kind, media in response.get("content", {}).items()
        if kind == "application/json" and media["schema"]
    ]


def _resolved(openapi: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = openapi["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def test_every_field_that_the_client_requires_is_in_the_reply(service: Name, openapi: dict[str, Any]) -> None:
    seen = 0
    for model, method, path, listed in (*_calls(MODULES[service]), *_calls(almanac_client.reports)):
        fields = {str(field.alias) for field in model.model_fields.values() if field.is_required()}
        replies = _replies(openapi, method, path)
        assert replies, (method, path)
        for reply in replies:
            item = _resolved(openapi, reply["properties"]["items"]["items"]) if listed else reply
            assert fields <= set(item["properties"]), (model.__name__, method, path)
        seen += 1
    assert seen >= 5
