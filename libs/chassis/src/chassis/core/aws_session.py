"""Sessions with AWS."""

from copy import copy
from functools import cache

from aiobotocore.hooks import AioHierarchicalEmitter
from aiobotocore.session import AioSession
from botocore.loaders import Loader, create_loader


@cache
def _descriptions() -> Loader:
    # One for the process: a session that has its own reads 2 MB of endpoints and services, in 0.1 s.
    return create_loader()


@cache
def _handlers() -> AioHierarchicalEmitter:
    # Registered once for the process: inspecting 120 functions takes longer than creating a client.
    hooks = AioHierarchicalEmitter()
    AioSession(event_hooks=hooks)
    return hooks


def open_session(credentials: tuple[str, str] | None = None) -> AioSession:
    """Open one with an access key and its secret, or else with what AWS' SDKs find: the environment, the pod's role."""
    session = AioSession(event_hooks=copy(_handlers()), include_builtin_handlers=False)
    session.register_component("data_loader", _descriptions())
    if credentials is not None:
        session.set_credentials(*credentials)
    return session
