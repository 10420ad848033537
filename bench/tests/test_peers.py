from bench.peers.comparison import NAMES, run_peers
from bench.postgres import cluster
from bench.sink import Sink


async def test_every_peer_delivers_every_job_once() -> None:
    async with cluster() as postgres, Sink() as sink:
        results = await run_peers(50, postgres, sink)
        assert [result.name for result in results] == list(NAMES)
        assert (await sink.stats()).unique == 50
    for result in results:
        assert result.jobs_per_second > 0
        assert result.worker_cpu > 0
