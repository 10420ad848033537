"""How we connect to PostgreSQL, directly or through a transaction pooler, and what an outage looks like."""

from typing import Any

import asyncpg
from pydantic_core import from_json, to_json
from sqlalchemy import ExceptionContext, NullPool, event, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from chassis.database.iam import Token
from chassis.telemetry.redaction import clear_database_error

CONNECT_SECONDS = 5.0


def _dump_json(value: object) -> str:
    return to_json(value).decode()


def create_engine(
    url: str,
    *,
    pool_size: int,
    pooler: bool,
    application_name: str,
    command_seconds: float | None = 60.0,
    wait_seconds: float = 10.0,
) -> AsyncEngine:
    """An engine that connects when first used. ``pool_size`` 0: every connection is a new one.

    Args:
        url: with ``iam=<region>`` in its query the password is a token of IAM, as RDS and RDS Proxy want it.
        command_seconds: how long one statement may take; None: as long as it needs.
        wait_seconds: how long to wait for a connection of the pool.
    """
    # Behind a transaction pooler a session is shared: prepared statements and start-up parameters have no owner.
    session: dict[str, Any] = (
        {
            "statement_cache_size": 0,
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": lambda: "",
        }
        if pooler
        else {"server_settings": {"application_name": application_name, "jit": "off"}}
    )
    pool: dict[str, Any] = (
        {"pool_size": pool_size, "max_overflow": 0, "pool_timeout": wait_seconds, "pool_use_lifo": True}
        if pool_size
        else {"poolclass": NullPool}
    )
    address = make_url(url).set(drivername="postgresql+asyncpg")
    if (region := address.query.get("iam")) is not None:
        address = address.difference_update_query(["iam"])
        session["password"] = Token(str(address.host), address.port or 5432, str(address.username), str(region))
    engine = create_async_engine(
        address,
        hide_parameters=True,
        json_serializer=_dump_json,
        json_deserializer=from_json,
        connect_args={"timeout": CONNECT_SECONDS, "command_timeout": command_seconds, **session},
        **pool,
    )
    event.listen(engine.sync_engine, "handle_error", _clear)
    if pooler:
        event.listen(engine.sync_engine, "connect", _leave_jit_alone)
    return engine


def _clear(context: ExceptionContext) -> None:
    # Rows and parameters hold names, addresses and dates of birth; errors go to logs and traces.
    clear_database_error(context.sqlalchemy_exception or context.original_exception)


def _leave_jit_alone(connection: Any, _record: object) -> None:
    # When it meets an array for the first time, asyncpg sets jit for the session around a query of its own. That would
    # stay in a session that is not ours, and RDS Proxy gives a client that sets anything a session for itself.
    driver = connection.driver_connection
    driver._server_caps = driver._server_caps._replace(jit=False)


def is_outage(error: BaseException) -> bool:
    """True where the database cannot be reached or dropped the connection, false where it refused a statement."""
    cause: BaseException | None = error
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return True
        cause = error.orig.__cause__ if error.orig is not None else None
    return isinstance(
        cause,
        (
            OSError,
            TimeoutError,
            asyncpg.PostgresConnectionError,
            asyncpg.CannotConnectNowError,
            asyncpg.AdminShutdownError,
            asyncpg.CrashShutdownError,
            asyncpg.TooManyConnectionsError,
        ),
    )
