import pytest
from bench.delivery.isolation import main
from bench.peers.comparison import run_peers
from bench.postgres import cluster
from bench.sink import Sink


async def test_our_worker_and_the_bare_client_deliver_every_job_once() -> None:
    async with cluster() as postgres, Sink() as sink:
        results = await run_peers(50, postgres, sink, ("almanac", "bare"))
        assert (await sink.stats()).unique == 50
    assert all(result.jobs_per_second > 0 and result.worker_cpu > 0 for result in results)


async def test_isolation_is_measured_by_a_curve_and_in_three_scenes(capsys: pytest.CaptureFixture[str]) -> None:
    await main(seconds=1, rate=100.0, burst=100, flood=50, counts=(0, 5))
    said = capsys.readouterr().out
    assert said.strip().splitlines()[-1].startswith("isolation: healthy p99 ")
    assert "beside 5 hanging endpoints: p99 " in said
    assert "critical in a flood" in said
