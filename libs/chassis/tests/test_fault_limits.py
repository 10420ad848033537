"""Bounding the faults of a request model does not change with how often the model is used."""

from typing import Any

from pydantic import TypeAdapter

from chassis.api.wire import RequestModel


class Part(RequestModel):
    numbers: list[int]
    names: dict[str, list[int]] | None = None


def _wraps(schema: Any) -> int:
    """How many wrap validators a schema holds, in all."""
    if isinstance(schema, dict):
        return (schema.get("type") == "function-wrap") + sum(map(_wraps, schema.values()))
    return sum(map(_wraps, schema)) if isinstance(schema, list | tuple) else 0


def test_schema_of_a_model_does_not_grow_with_its_uses() -> None:
    once = _wraps(Part.__pydantic_core_schema__)
    assert once > 0
    for _ in range(50):
        adapter = TypeAdapter(list[Part])
        type("Whole", (RequestModel,), {"__annotations__": {"part": Part, "parts": list[Part]}, "__module__": __name__})
    assert _wraps(Part.__pydantic_core_schema__) == once
    assert adapter.validate_python([{"numbers": [1], "names": {"a": [2]}}])[0].numbers == [1]
    assert Part.model_json_schema()["properties"].keys() == {"numbers", "names"}
