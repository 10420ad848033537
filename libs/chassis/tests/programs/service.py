"""A whole service with no tables but the chassis' own; its migrations are in the folder that it is given.

Its one role waits to be notified.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from chassis.core.lifecycle import Loop, Role
from chassis.core.settings import ServiceSettings
from chassis.service.runtime import Runtime
from chassis.service.service import Service, command_line


async def _poll() -> float:
    return 60.0


def waiter(runtime: Runtime[ServiceSettings]) -> Sequence[Role]:
    return [Loop("waiter", _poll, wake=runtime.listener.event("due"))]


SERVICE = Service(
    name="sample-service",
    settings=ServiceSettings,
    migrations=Path(os.environ["SAMPLE_MIGRATIONS"]),
    problems={},
    routers=(),
    roles={"waiter": waiter},
)

if __name__ == "__main__":
    command_line(SERVICE)()
