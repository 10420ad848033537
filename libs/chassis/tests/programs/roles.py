"""A process with the roles that its arguments name; says on standard output what it does."""

import asyncio
import sys

from chassis.core.lifecycle import Loop, Role, pause, run_roles


class Patient:
    """Works until stopped, then finishes its work."""

    name = "patient"

    async def run(self, stopping: asyncio.Event) -> None:
        print("working", flush=True)
        await stopping.wait()
        await pause(asyncio.Event(), 0.1)
        print("drained", flush=True)


class Failing:
    """Works for a moment, then fails."""

    name = "failing"

    async def run(self, stopping: asyncio.Event) -> None:
        await pause(stopping, 0.1)
        raise RuntimeError("broken")


class Late:
    """Does not hear that it is to stop."""

    name = "late"

    async def run(self, stopping: asyncio.Event) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            print("cancelled", flush=True)


async def step() -> float:
    """The step of a loop with a long pause."""
    print("stepped", flush=True)
    return 3600


ROLES: dict[str, Role] = {"patient": Patient(), "failing": Failing(), "late": Late(), "loop": Loop("loop", step)}

if __name__ == "__main__":
    sys.exit(asyncio.run(run_roles([ROLES[name] for name in sys.argv[1:]], grace_seconds=1.0)))
