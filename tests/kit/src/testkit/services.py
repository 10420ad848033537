"""The four services as processes of their own, on a test's databases and AWS account."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from local_stack import ports
from local_stack.child import Child, start
from local_stack.emulator import Emulator
from local_stack.postgres import PostgresServer
from local_stack.services import ServiceProcess, kept_secret_key, run_once, service_environment, services
from local_stack.settings import StackSettings
from testkit.full_stack import KEY, RunningStack

SERVICES = ("user-service", "event-service", "delivery-service", "analytics-service")
_PORTS = ("user_port", "event_port", "delivery_port", "analytics_port")
_STOP_SECONDS = 20


@asynccontextmanager
async def running_services(
    folder: Path,
    postgres: PostgresServer,
    emulator: Emulator,
    environment: Mapping[str, str],
    own: Mapping[str, Mapping[str, str]],
) -> AsyncIterator[RunningStack]:
    """All roles of all services while the block lasts, on a topology that they have applied; logs go to ``folder``.

    Args:
        environment: the environment of all of them, including an AWS account's credentials.
        own: further variables by a service's name: ``DATABASE_URL`` at least.
    """
    settings = StackSettings.model_validate({"api_key": KEY, **{name: ports.free_port() for name in _PORTS}})
    secret_key = kept_secret_key(folder / "secret-key")
    await run_once("topology", ["chassis", "topology", "apply"], environment, folder / "topology.log")
    children: list[Child] = []

    async def begin(process: ServiceProcess) -> None:
        children.append(await asyncio.to_thread(start, process))

    processes = [
        ServiceProcess(
            replace(service, runner=None),  # the API alone, also of an earlier version
            {
                **service_environment(service, settings, postgres, emulator, secret_key),
                **environment,
                **own[service.name],
            },
            folder / f"{service.name}.log",
        )
        for service in services(settings)
    ]
    try:
        # Whatever one of them raises, the others have started by then, and are stopped.
        started = await asyncio.gather(*map(begin, processes), return_exceptions=True)
        for failed in (each for each in started if each is not None):
            raise failed
        user, event, delivery, analytics = (service.url for service in services(settings))
        yield RunningStack(user, event, delivery, analytics, inbox="", otlp_port=0)
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.stop(_STOP_SECONDS)
