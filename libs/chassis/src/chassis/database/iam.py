"""Signing in to PostgreSQL by IAM: the password is a request that AWS' credentials signed, good for 15 minutes."""

from dataclasses import dataclass, field
from typing import Final

from aiobotocore.session import AioSession
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from yarl import URL

from chassis.core.aws_session import open_session

VALID_SECONDS: Final = 900


class NoCredentialsError(OSError):
    """There are no credentials to sign with. An outage like any other: they may come."""


@dataclass(frozen=True)
class Token:
    """What asyncpg asks for a password, once for each connection. Nothing is sent for it but what credentials need."""

    host: str
    port: int
    user: str
    region: str
    session: AioSession = field(default_factory=open_session)

    async def __call__(self) -> str:
        """A new token.

        Raises:
            NoCredentialsError: neither the environment nor the pod's role has credentials.
        """
        found = await self.session.get_credentials()
        if found is None:
            raise NoCredentialsError("no AWS credentials to sign in to the database with")
        address = URL.build(
            scheme="https", host=self.host, port=self.port, path="/", query={"Action": "connect", "DBUser": self.user}
        )
        request = AWSRequest(method="GET", url=str(address))
        SigV4QueryAuth(await found.get_frozen_credentials(), "rds-db", self.region, expires=VALID_SECONDS).add_auth(
            request
        )
        return str(request.url).removeprefix("https://")
