"""Sessions with AWS."""

from functools import cache

from aiobotocore.session import AioSession, get_session
from botocore.loaders import Loader, create_loader


@cache
def _descriptions() -> Loader:
    # One for the process: a session that has its own reads 2 MB of endpoints and services, in 0.1 s.
    return create_loader()


def open_session(credentials: tuple[str, str] | None = None) -> AioSession:
    """Open one with an access key and its secret, or else with what AWS' SDKs find: the environment, the pod's role."""
    session = get_session()
    session.register_component("data_loader", _descriptions())
    if credentials is not None:
        session.set_credentials(*credentials)
    return session
