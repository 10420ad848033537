"""How large each stage is. The one place for figures that differ between stages."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Size:
    """What a stage buys. ``iops`` None is what comes with the storage; ``cache_node`` None is no cache; ``protected``
    is kept when its stack is deleted.

    ``connections`` are PostgreSQL's ``max_connections``: they hold all pods of the chart's profile at their ceilings,
    also where a pooler stands before them, for after a failover they connect without it.
    """

    instance: str
    multi_az: bool
    storage_gb: int
    iops: int | None
    replicas: int
    replica_instance: str | None
    connections: int
    proxy: bool
    cache_node: str | None
    protected: bool

    @property
    def memory_gib(self) -> int:
        """Of the instance that takes writes."""
        return MEMORY_GIB[self.instance]

    @property
    def log_days(self) -> int:
        """What is worth keeping is worth a week's logs, anything else three days."""
        return 7 if self.protected else 3


MEMORY_GIB: Final = {"t3.small": 2, "t3.medium": 4, "r6g.large": 16, "r6g.xlarge": 32, "r6g.2xlarge": 64}
"""Of each kind of database instance. A tag says it: the rules for Prometheus must know what a fifth of it is."""
SIZES: Final = {
    #            instance        2 zones  GB     IOPS    replicas         conn.  proxy  cache              kept
    "dev":  Size("t3.small",     False,   20,    None,   0, None,         200,   False, None,              False),
    "10k":  Size("t3.medium",    False,   100,   None,   0, None,         500,   False, None,              True),
    "100k": Size("r6g.large",    True,    200,   None,   1, "r6g.large",  1_000, True,  None,              True),
    "1m":   Size("r6g.xlarge",   True,    500,   12_000, 2, "r6g.large",  1_000, True,  None,              True),
    "5m":   Size("r6g.2xlarge",  True,    2_000, 16_000, 2, "r6g.xlarge", 1_000, True,  "cache.r7g.large", True),
}  # fmt: skip
CACHE_NODE: Final = "cache.t4g.small"
"""Where a stage without a cache is asked for one."""
BACKUP_DAYS: Final = 7
ARCHIVE_DAYS: Final = 400
"""How long the archive keeps what happened: the thirteen months that an event may be made ahead."""
EXPORT_DAYS: Final = 35
"""How long a day's copy of the databases stays in S3."""
