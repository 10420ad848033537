"""Bounds on the faults that one request can have, so that refusing it costs little.

Pydantic collects every fault of an input: a body of 1 MB can have 500,000, which take seconds to make and 100 MB to
answer. The schema of a request model is changed so that their number stays in the tens: a list or mapping that is too
long is one fault, whatever is in it; a long one is validated in parts, and the first part with faults ends it; an
object with more than :data:`MAX_FAULTS` unknown fields has one fault.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, PydanticKnownError, core_schema

MAX_FAULTS = 10
"""Faults of one request that are answered, and of one line of a file that are kept."""
PART_ITEMS = 50
"""Items of a list that are validated before its faults, if any, end the validation."""

_ARRAYS = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
_INNER = ("schema", "items_schema", "keys_schema", "values_schema", "choices")

_LIMITED = "almanac_faults_limited"

Validate = Callable[[Any], Any]


def limit_faults(schema: Any, model: type[Any]) -> None:
    """Bound the faults of ``model``: changes its schema in place. Models that it holds bound their own."""
    if isinstance(schema, list | tuple):
        for each in schema:
            limit_faults(each, model)
    if not isinstance(schema, dict) or (schema.get("type") == "model" and schema["cls"] is not model):
        return
    if schema.get("type") == "model-fields":
        for field in schema["fields"].values():
            limit_faults(field, model)
            field["schema"] = _limited(field["schema"])
        return
    for name in _INNER:
        if name in schema:
            limit_faults(schema[name], model)
            schema[name] = _limited(schema[name])


def _limited(schema: Any) -> Any:
    match schema:
        case [*choices]:  # of a union; some have a label
            return [(_limited(each[0]), each[1]) if isinstance(each, tuple) else _limited(each) for each in choices]
        case {"type": "list" | "set" | "frozenset"} | {"type": "tuple", "variadic_item_index": 0}:
            return _wrapped(schema, _array_validator(schema))
        case {"type": "dict"}:
            return _wrapped(schema, _mapping_validator(schema.get("max_length")))
        case {"type": "model-fields"}:
            names = frozenset(each.get("validation_alias", name) for name, each in schema["fields"].items())
            return _wrapped(schema, _object_validator(names))
    return schema


def _wrapped(schema: Any, function: Callable[[Any, Validate], Any]) -> CoreSchema:
    # Pydantic keeps the schema of a model and hands it out again whenever the model is used in another one, so it comes
    # here again: wrapped again each time, it would grow until validating it exceeds the recursion limit.
    if schema.get("metadata", {}).get(_LIMITED):
        return cast(CoreSchema, schema)
    schema["metadata"] = {**schema.get("metadata", {}), _LIMITED: True}
    return core_schema.no_info_wrap_validator_function(function, schema)


def _array_validator(schema: Any) -> Callable[[Any, Validate], Any]:
    made, max_length = _ARRAYS[schema["type"]], schema.get("max_length")
    # The end of a list may have fewer items than the whole must have.
    in_parts = schema.get("min_length", 0) <= 1

    def validate(value: Any, handler: Validate) -> Any:
        if not isinstance(value, list | tuple):
            return handler(value)
        if max_length is not None and len(value) > max_length:
            raise _too_long("List", max_length, len(value))
        if len(value) <= PART_ITEMS or not in_parts:
            return handler(value)
        return made(_in_parts(value, handler))

    return validate


def _in_parts(values: Any, handler: Validate) -> Iterator[Any]:
    for start in range(0, len(values), PART_ITEMS):
        try:
            yield from handler(values[start : start + PART_ITEMS])
        except ValidationError as error:
            raise _moved(error, start) from None


def _mapping_validator(max_length: int | None) -> Callable[[Any, Validate], Any]:
    def validate(value: Any, handler: Validate) -> Any:
        if not isinstance(value, dict) or len(value) <= PART_ITEMS:
            return handler(value)
        if max_length is not None and len(value) > max_length:
            raise _too_long("Dictionary", max_length, len(value))
        items, valid = iter(value.items()), {}
        while part := dict(islice(items, PART_ITEMS)):
            valid.update(handler(part))
        return valid

    return validate


def _object_validator(names: Iterable[str]) -> Callable[[Any, Validate], Any]:
    known = frozenset(names)

    def validate(value: Any, handler: Validate) -> Any:
        if isinstance(value, dict) and len(value) > len(known) + MAX_FAULTS:
            unknown = [name for name in value if name not in known]
            shown = ", ".join(f"{name!r:.40}" for name in unknown[:3])
            raise PydanticCustomError(
                "extra_forbidden",
                "has {number} unknown fields, among them {shown}",
                {"number": len(unknown), "shown": shown},
            )
        return handler(value)

    return validate


def _too_long(kind: str, max_length: int, length: int) -> PydanticKnownError:
    return PydanticKnownError("too_long", {"field_type": kind, "max_length": max_length, "actual_length": length})


def _moved(error: ValidationError, start: int) -> ValidationError:
    faults = [
        InitErrorDetails(
            type=PydanticCustomError(fault["type"], "{text}", {"text": fault["msg"]}),
            loc=(int(fault["loc"][0]) + start, *fault["loc"][1:]),
            input=None,
        )
        for fault in error.errors(include_url=False, include_context=False, include_input=False)[:MAX_FAULTS]
    ]
    return ValidationError.from_exception_data(error.title, faults)
