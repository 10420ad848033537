"""Published operation ids stay, since clients are generated from them; functions of routes follow one scheme."""

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

import analytics_service.main
import delivery_service.main
import event_service.main
import user_service.main
from chassis.api import dead_letters, usage
from chassis.api.openapi import document
from chassis.service.service import Service

PUBLISHED: dict[str, dict[str, str]] = json.loads(
    Path(__file__).with_name("operation_ids.json").read_text(encoding="utf-8")
)
SERVICES: dict[str, Service[Any]] = {
    "user-service": user_service.main.SERVICE,
    "event-service": event_service.main.SERVICE,
    "delivery-service": delivery_service.main.SERVICE,
    "analytics-service": analytics_service.main.SERVICE,
}
BEGINNINGS = {"POST": "create_", "PATCH": "update_", "DELETE": "delete_"}
"""How the function of a route on a collection or on one resource begins, by its method; GET has two."""
ROUTERS = [router for service in SERVICES.values() for router in (*service.routers, dead_letters.router, usage.router)]
ROUTES = {
    f"{route.endpoint.__module__}.{route.endpoint.__name__}": route
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute)
}


@pytest.mark.parametrize("name", SERVICES)
def test_published_operation_ids_are_kept(name: str) -> None:
    app = FastAPI()
    for router in (*SERVICES[name].routers, dead_letters.router, usage.router):
        app.include_router(router)
    found = {
        f"{method.upper()} {path}": operation["operationId"]
        for path, methods in document(app)["paths"].items()
        for method, operation in methods.items()
    }
    assert found == PUBLISHED[name]


@pytest.mark.parametrize("name", ROUTES)
def test_functions_of_routes_are_named_by_what_they_do(name: str) -> None:
    route = ROUTES[name]
    function = name.rpartition(".")[2]
    [method] = (route.methods or set()) - {"HEAD"}
    action = route.path.rpartition("/")[2]
    if function.split("_")[0] in {"import", "preview", "put", "read"}:
        return
    if method == "GET":
        assert function.startswith(("get_", "list_"))
    elif method == "POST" and "_" in function and not function.startswith("create_"):
        assert function.split("_")[0] in action, f"{function} answers POST {route.path}"
    else:
        assert function.startswith(BEGINNINGS[method])
    assert "_" in function


def test_two_routes_of_a_service_have_two_names() -> None:
    names = [(name.partition(".")[0], name.rpartition(".")[2]) for name in ROUTES]
    assert [name for name in names if names.count(name) > 1] == []
