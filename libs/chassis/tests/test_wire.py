"""Request models: strict about names, and aware of absent fields."""

from typing import Annotated

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from chassis.api.wire import NOT_SENT, PatchModel, PathText, PlainText, RequestModel, ZoneName


class Create(RequestModel):
    first_name: str


class Patch(PatchModel):
    first_name: str = NOT_SENT
    email: str | None = NOT_SENT


def test_a_field_is_known_by_its_wire_name_alone() -> None:
    assert Create.model_validate({"firstName": "Ada"}).first_name == "Ada"
    for body in ({"first_name": "Ada"}, {"firstName": "Ada", "first_name": "Ada"}, {"firstName": "Ada", "age": 36}):
        with pytest.raises(ValidationError):
            Create.model_validate(body)


def test_patch_distinguishes_null_from_absence_and_uses_python_field_names() -> None:
    assert Patch.model_validate({"email": None}).changes() == {"email": None}
    assert Patch.model_validate({"firstName": "Ada"}).changes() == {"first_name": "Ada"}
    for body in ({"firstName": None}, {}):
        with pytest.raises(ValidationError):
            Patch.model_validate(body)


def test_a_patch_documents_no_defaults() -> None:
    properties = Patch.model_json_schema()["properties"]
    assert properties["firstName"]["type"] == "string"
    assert not any("default" in schema for schema in properties.values())


def test_plain_text_is_trimmed_before_its_length_is_taken() -> None:
    adapter: TypeAdapter[str] = TypeAdapter(Annotated[PlainText, Field(min_length=1, max_length=3)])
    assert adapter.validate_python(" Ada ") == "Ada"
    for text in ("   ", "Adaa", "A\nB", "A\x00", "\ud800"):
        with pytest.raises(ValidationError):
            adapter.validate_python(text)


@pytest.mark.parametrize("text", [".", "..", " .. "])
def test_text_of_a_path_is_no_dot_segment(text: str) -> None:
    adapter: TypeAdapter[str] = TypeAdapter(Annotated[PathText, Field(min_length=1, max_length=9)])
    assert adapter.validate_python("...") == "..."
    with pytest.raises(ValidationError, match="must not be"):
        adapter.validate_python(text)


def test_a_zone_name_is_spelled_exactly() -> None:
    adapter: TypeAdapter[str] = TypeAdapter(ZoneName)
    assert adapter.validate_python("Europe/Berlin") == "Europe/Berlin"
    with pytest.raises(ValidationError, match="IANA database"):
        adapter.validate_python("europe/berlin")
