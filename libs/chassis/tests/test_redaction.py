"""No error contains personal data: neither to a log nor to a span."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pytest
import structlog
from pydantic import BaseModel, ValidationError
from sqlalchemy import text

from chassis.database.database import Database
from chassis.telemetry.logging import start_logging
from chassis.telemetry.redaction import MAX_TRACEBACK, describe, format_exception, redact

MARKER = "Xanthippe"
ADDRESS = "xanthippe@example.org"


class Person(BaseModel):
    """What a request holds."""

    name: int


@contextmanager
def _written() -> Iterator[StringIO]:
    """What is logged meanwhile, as a service writes it."""
    root, output = logging.getLogger(), StringIO()
    handlers, level, configuration = root.handlers[:], root.level, structlog.get_config()
    start_logging("sample", level="info", format="json")
    [handler] = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(output)
    try:
        yield output
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.configure(**configuration)


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        ("INSERT INTO people VALUES (:id, :name)", {"id": 1, "name": MARKER}),
        ("INSERT INTO people VALUES (:id, :name)", {"id": 2, "name": None}),
        ("INSERT INTO people VALUES (CAST(:id AS int), CAST(:name AS text))", {"id": MARKER, "name": MARKER}),
        ("SELECT CAST(:name AS text)::int", {"name": MARKER}),
        ("SELECT CAST(CAST(:name AS text) AS jsonb)", {"name": MARKER}),
        ("SELECT CAST(:name AS text), pg_terminate_backend(pg_backend_pid())", {"name": MARKER}),
        ("SELECT pg_sleep(5), CAST(:name AS text)", {"name": MARKER}),
    ],
    ids=["duplicate", "not-null", "argument", "cast", "json", "terminated", "cancelled"],
)
async def test_errors_of_the_database_quote_no_parameter_and_no_row(
    db: Database, statement: str, values: dict[str, Any]
) -> None:
    async with db.transaction() as tx:
        await tx.execute(text("CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL UNIQUE)"))
        await tx.execute(text("INSERT INTO people VALUES (9, :name)"), {"name": MARKER})
    with pytest.raises(Exception) as caught:  # each its own kind
        async with db.transaction() as tx:
            await tx.execute(text("SET LOCAL statement_timeout = 200"))
            await tx.execute(text(statement), values)
    error: BaseException | None = caught.value
    with _written() as output:
        structlog.get_logger().error("failed", exc_info=error, error=repr(error))
        logging.getLogger("library").error("failed too", exc_info=error)
    while error is not None:
        assert MARKER not in f"{error!s}{error!r}"
        error = error.__cause__ or error.__context__
    assert output.getvalue().count("\n") == 2
    assert MARKER not in output.getvalue()


async def test_an_error_of_a_copy_quotes_no_row(db: Database) -> None:
    async with db.transaction() as tx:
        await tx.execute(text("CREATE TABLE people (id int PRIMARY KEY, name text)"))
    for rows in ([(1, MARKER), (1, MARKER)], [(MARKER, MARKER)]):
        with pytest.raises(Exception) as caught:  # of PostgreSQL, and of its driver
            async with db.transaction() as tx:
                await tx.copy("people", ["id", "name"], rows)
        assert MARKER not in f"{caught.value!s}{caught.value!r}"
        assert MARKER not in format_exception((type(caught.value), caught.value, caught.value.__traceback__))


def test_what_a_library_quotes_of_its_input_is_left_out() -> None:
    with pytest.raises(ValidationError) as caught:
        Person.model_validate({"name": MARKER})
    assert describe(caught.value) == "ValidationError: name: int_parsing"
    assert MARKER not in redact(str(caught.value))
    with pytest.raises(UnicodeEncodeError) as undecodable:
        f"{MARKER}\ud800".encode()
    assert MARKER not in describe(undecodable.value)


def test_addresses_and_numbers_are_left_out_wherever_they_are() -> None:
    for said in (
        f"cannot send to {ADDRESS}",
        f"GET /v1/users?email={ADDRESS}&limit=1",
        "email=xanthippe%40example.org",
    ):
        assert MARKER.lower() not in redact(said)
    assert redact("call +4930123456 now") == "call <phone> now"
    for kept in ("retry at 2027-01-01T00:00:00+01:00", "postgres@127.0.0.1", "1+12345678", "user 0190163d-8694"):
        assert redact(kept) in {kept, "<e-mail>"}


def test_a_traceback_is_bounded_and_names_error_and_cause() -> None:
    def fall(depth: int) -> None:
        if depth:
            fall(depth - 1)
        raise ValueError("y" * 10_000)

    try:
        try:
            fall(80)
        except ValueError as error:
            raise ExceptionGroup("several", [error, KeyError(ADDRESS)]) from error
    except ExceptionGroup:
        with _written() as stream:
            structlog.get_logger().exception("failed")
    output = stream.getvalue()
    assert len(output) < MAX_TRACEBACK * 1.5
    assert "ValueError: yyy" in output
    assert "ExceptionGroup: several" in output
    assert ADDRESS not in output
