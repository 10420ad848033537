"""An AWS account for one test."""

import secrets
from dataclasses import dataclass, field
from typing import Any

from aiobotocore.session import AioSession

from chassis.core.aws_session import open_session
from local_stack.emulator import REGION


def _account_id() -> str:
    return str(secrets.randbelow(9 * 10**11) + 10**11)


@dataclass(frozen=True)
class AwsAccount:
    """Credentials of a fresh account in the emulator: its topics and queues belong to one test."""

    endpoint_url: str
    access_key_id: str = field(default_factory=_account_id)  # 12 digits: the account's own number
    secret_access_key: str = "test"
    region: str = REGION

    def environment(self) -> dict[str, str]:
        """The variables by which a child process finds this account."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": self.region,
            "AWS_ACCOUNT_ID": self.access_key_id,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
        }

    def session(self) -> AioSession:
        """A session with the account's credentials. Its clients still need a region and `endpoint_url`."""
        return open_session((self.access_key_id, self.secret_access_key))

    def client(self, service: str) -> Any:
        """An asynchronous context manager that gives a client ("sqs" or "sns") of this account."""
        return self.session().create_client(service, self.region, endpoint_url=self.endpoint_url)
