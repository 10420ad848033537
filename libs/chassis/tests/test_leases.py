"""At most one holder of a name."""

from chassis.database.database import Database
from chassis.database.leases import Lease
from testkit import eventually


async def test_a_second_holder_waits_until_the_first_releases(db: Database) -> None:
    first, second = (Lease(db, "job", seconds=60) for _ in range(2))
    assert await first.held()
    assert not await second.held()
    assert await first.held()
    await first.release()
    assert await second.held()
    assert not await first.held()


async def test_a_second_holder_takes_over_when_the_first_has_died(db: Database) -> None:
    dead, heir = Lease(db, "job", seconds=1), Lease(db, "job", seconds=60)
    assert await dead.held()
    assert not await heir.held()
    assert await eventually(heir.held)
    await eventually(lambda: _lost(dead))


async def _lost(lease: Lease) -> bool:
    return not await lease.held()


async def test_a_holder_keeps_its_lease_by_asking(db: Database) -> None:
    keeper, other = Lease(db, "job", seconds=1), Lease(db, "job", seconds=1)
    asked = 0

    async def asked_often() -> bool:
        nonlocal asked
        asked += 1
        assert await keeper.held()
        assert not await other.held()
        return asked > 30  # each 50 ms: longer than the lease

    await eventually(asked_often, interval=0.05)


async def test_lease_names_are_independent_and_releasing_an_unheld_lease_has_no_effect(db: Database) -> None:
    one, another, idle = Lease(db, "one", seconds=60), Lease(db, "another", seconds=60), Lease(db, "one", seconds=60)
    assert await one.held()
    assert await another.held()
    await idle.release()
    assert not await idle.held()
    await idle.release()
    assert await one.held()
