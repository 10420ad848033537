import os

from bench.claims import run_claims
from bench.postgres import Cluster

from local_stack.postgres import PostgresServer


async def test_each_size_is_measured_with_the_services_code_and_without(postgres: PostgresServer) -> None:
    results = await run_claims([3000, 1000], Cluster(postgres, os.getpid()), rounds=5, backlog=1200)
    assert [each.rows for each in results] == [1000, 3000]
    for each in results:
        assert each.claim.count == 5
        assert 0 < each.claim.p50 <= each.claim.worst
        assert 0 < each.ratio < 10
