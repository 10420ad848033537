"""The OpenAPI document: what FastAPI knows of the routes, and what it cannot know (docs/architecture.md#http-apis)."""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from chassis.api.problems import ProblemBody

_METHODS = ("get", "post", "put", "patch", "delete")
_MADE = {
    "ETag": {"description": "The version, for `If-Match`.", "schema": {"type": "string"}},
    "Location": {"description": "Where it is.", "schema": {"type": "string"}},
}

Json = dict[str, Any]


def document(app: FastAPI) -> Json:
    """Complete: problems as a component, parameters as they are sent, links from a list or a creation to its items."""
    schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
    problem = ProblemBody.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
    definitions = problem.pop("$defs", {})
    components: Json = schema.setdefault("components", {}).setdefault("schemas", {})
    components.update({"Problem": problem, **definitions})
    operations = list(_operations(schema["paths"]))
    for _, operation in operations:
        for parameter in operation.get("parameters", ()):
            _as_sent(parameter, operation)
    for path, operation in operations:
        _link(path, operation, operations, components)
    return schema


def _operations(paths: Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
    for path, item in paths.items():
        for method in _METHODS:
            if method in item:
                yield path, item[method]


def _as_sent(parameter: Json, operation: Json) -> None:
    # A parameter is there or it is not; null has no form in a URL or a header.
    schema = parameter["schema"]
    choices = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if "anyOf" in schema and len(choices) == 1:
        parameter["schema"] = {**{key: value for key, value in schema.items() if key != "anyOf"}, **choices[0]}
    # The code takes the header as optional in order to answer its absence with a 428.
    if parameter["name"].lower() == "if-match" and "428" in operation["responses"]:
        parameter["required"] = True


def _link(path: str, operation: Json, operations: list[tuple[str, Json]], components: Json) -> None:
    for status in ("200", "201", "202"):
        answer = operation["responses"].get(status, {})
        body = _resolve(answer.get("content", {}).get("application/json", {}).get("schema", {}), components)
        identity = _identity(body, components)
        if identity is None:
            continue
        if status == "201":
            answer["headers"] = _MADE
        links = {
            target["operationId"]: _parameters(name, identity, path, target, with_etag=status == "201")
            for name, target in _below(path, operations)
        }
        if links:
            answer["links"] = links


def _below(path: str, operations: list[tuple[str, Json]]) -> Iterator[tuple[str, Json]]:
    """The operations on one item of the collection ``path``, each with the name of its item's parameter."""
    for below, operation in operations:
        if below.startswith(f"{path}/{{"):
            name, _, rest = below.removeprefix(f"{path}/{{").partition("}")
            if "{" not in rest:
                yield name, operation


def _parameters(name: str, identity: str, path: str, target: Json, *, with_etag: bool) -> Json:
    outer = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    parameters = {f"path.{each}": f"$request.path.{each}" for each in outer} | {f"path.{name}": identity}
    if with_etag and any(each["name"].lower() == "if-match" for each in target.get("parameters", ())):
        parameters["header.If-Match"] = "$response.header.ETag"
    return {"operationId": target["operationId"], "parameters": parameters}


def _identity(body: Json, components: Json) -> str | None:
    """Where an answer names a thing: its own id, or that of a list's first item."""
    properties = body.get("properties", {})
    if "id" in properties:
        return "$response.body#/id"
    item = _resolve(properties.get("items", {}).get("items", {}), components)
    return "$response.body#/items/0/id" if "id" in item.get("properties", {}) else None


def _resolve(schema: Json, components: Json) -> Json:
    reference: str | None = schema.get("$ref")
    found: Json = components[reference.rpartition("/")[2]] if reference else schema
    return found
