"""Signing in to a database by IAM, before a server that asks for passwords as RDS does and keeps them."""

import asyncio
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy.exc import SQLAlchemyError

from chassis.core.aws_session import open_session
from chassis.database.engine import create_engine, is_outage
from chassis.database.iam import NoCredentialsError, Token

CLEARTEXT = b"R" + struct.pack(">ii", 8, 3)
REFUSED = b"SFATAL\0C28000\0Mnobody is let in here\0\0"
SSL_REQUEST = 80877103


@dataclass
class Doorkeeper:
    """A server of PostgreSQL's protocol that gets no further than the password."""

    port: int = 0
    passwords: list[str] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length, code = struct.unpack(">ii", await reader.readexactly(8))
        if code == SSL_REQUEST:
            writer.write(b"N")
            length, code = struct.unpack(">ii", await reader.readexactly(8))
        await reader.readexactly(length - 8)
        writer.write(CLEARTEXT)
        _, length = struct.unpack(">ci", await reader.readexactly(5))
        self.passwords.append((await reader.readexactly(length - 4)).rstrip(b"\0").decode())
        writer.write(b"E" + struct.pack(">i", len(REFUSED) + 4) + REFUSED)
        await writer.drain()
        writer.close()


@pytest.fixture
async def doorkeeper() -> AsyncIterator[Doorkeeper]:
    keeper = Doorkeeper()
    async with await asyncio.start_server(keeper.answer, "127.0.0.1", 0) as server:
        keeper.port = server.sockets[0].getsockname()[1]
        yield keeper


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of the pod's role")


@pytest.mark.usefixtures("credentials")
async def test_every_connection_shows_a_token_of_its_own_user_and_address(doorkeeper: Doorkeeper) -> None:
    url = f"postgresql://delivery_service@127.0.0.1:{doorkeeper.port}/delivery_service?iam=eu-central-1"
    engine = create_engine(url, pool_size=0, pooler=True, application_name="test")
    for _ in range(2):
        with pytest.raises(SQLAlchemyError, match="nobody is let in here"):
            await engine.connect()
    await engine.dispose()

    assert len(doorkeeper.passwords) == 2
    for password in doorkeeper.passwords:
        token = urlsplit(f"https://{password}")
        query = {name: values[0] for name, values in parse_qs(token.query).items()}
        assert token.netloc == f"127.0.0.1:{doorkeeper.port}"
        assert (query["Action"], query["DBUser"], query["X-Amz-Expires"]) == ("connect", "delivery_service", "900")
        assert query["X-Amz-Credential"].endswith("/eu-central-1/rds-db/aws4_request")
        assert query["X-Amz-Security-Token"] == "of the pod's role"


@pytest.mark.usefixtures("credentials")
async def test_a_token_is_signed_as_awss_own_client_signs_it() -> None:
    theirs: Any
    async with open_session().create_client("rds", "us-east-1") as theirs:

        async def pair() -> tuple[str, str]:
            ours = await Token("db.example", 5432, "user_service", "us-east-1")()
            return ours, await theirs.generate_db_auth_token("db.example", 5432, "user_service")

        ours, expected = await pair()
        if parse_qs(ours)["X-Amz-Date"] != parse_qs(expected)["X-Amz-Date"]:  # a second began between the two
            ours, expected = await pair()
    assert parse_qs(ours) == parse_qs(expected)


async def test_missing_credentials_count_as_a_temporary_outage(
    doorkeeper: Doorkeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    engine = create_engine(
        f"postgresql://somebody@127.0.0.1:{doorkeeper.port}/x?iam=us-east-1",
        pool_size=0,
        pooler=True,
        application_name="test",
    )
    with pytest.raises(NoCredentialsError) as caught:
        await engine.connect()
    assert is_outage(caught.value)
    assert doorkeeper.passwords == []
    await engine.dispose()
