"""Alerts about PostgreSQL: the server, the way to it, its replicas."""

from typing import Final

from contracts.alerts.alert import HOUR, MINUTE, Alert, Severity

MEMORY_GIB: Final = (2, 4, 8, 16, 32, 64, 128)
"""Memory of the database instances that deploy/aws offers; the tag ``memory_gib`` says which one it is."""


def _low_memory() -> str:
    free = "aws_rds_freeable_memory_average"
    sizes = [f'{free}{{$own, tag_memory_gib="{gib}"}} < $threshold * {gib} * 1024 ^ 3' for gib in MEMORY_GIB]
    known = "|".join(str(gib) for gib in MEMORY_GIB)
    untagged = f'{free}{{$own, tag_memory_gib!~"{known}"}} < $threshold * {MEMORY_GIB[0]} * 1024 ^ 3'
    return "\nor\n".join((*sizes, untagged))


DATABASE: Final = (
    Alert(
        name="DatabaseDown",
        severity=Severity.CRITICAL,
        meaning="PostgreSQL does not answer.",
        summary="PostgreSQL does not answer {service}",
        for_seconds=MINUTE,
        promql="pg_up{$own} == 0",
        evaluated=True,
        clear_seconds=20,
        cloudwatch=True,
    ),
    Alert(
        name="DatabaseUnreachable",
        severity=Severity.CRITICAL,
        meaning="No process of a service reaches its database.",
        summary="No process of {service} reaches its database",
        for_seconds=MINUTE,
        promql="max by (job) (almanac_database_available{$own}) == 0",
    ),
    Alert(
        name="DatabaseConnectionErrors",
        severity=Severity.CRITICAL,
        meaning="Connections to the database that fail in a minute.",
        summary="{value:.0f} connections to the database fail in a minute",
        threshold=50,
        promql="sum(increase(almanac_database_connection_errors_total{$own}[2m])) / 2 > $threshold",
        cloudwatch=True,
    ),
    Alert(
        name="DatabaseCpuHigh",
        severity=Severity.WARNING,
        meaning="CPU of the database instance, in percent.",
        summary="The CPU of the database is at {value:.0f}%",
        threshold=80,
        for_seconds=15 * MINUTE,
        promql="aws_rds_cpuutilization_average{$own} > $threshold",
        cloudwatch=True,
    ),
    Alert(
        name="DatabaseConnectionsHigh",
        severity=Severity.WARNING,
        meaning="Share of the database server's connections in use.",
        summary="{value:.0%} of the database server's connections are in use",
        threshold=0.8,
        for_seconds=5 * MINUTE,
        promql="sum(pg_stat_activity_count{$own}) / max(pg_settings_max_connections{$own}) > $threshold",
        evaluated=True,
        clears_at=0.7,
        cloudwatch=True,
    ),
    Alert(
        name="DatabaseMemoryLow",
        severity=Severity.WARNING,
        meaning="Share of a database instance's memory that is free.",
        summary="Less than 20% of the memory of {dimension_DBInstanceIdentifier} is free: {value:bytes}",
        threshold=0.2,
        for_seconds=15 * MINUTE,
        below=True,
        promql=_low_memory(),
        cloudwatch=True,
    ),
    Alert(
        name="DatabaseStorageLow",
        severity=Severity.WARNING,
        meaning="Share of the database's storage that is free.",
        summary="Less than 10% of the database's storage is free",
        threshold=0.1,
        for_seconds=15 * MINUTE,
        below=True,
        cloudwatch=True,
    ),
    Alert(
        name="DatabaseLatencyHigh",
        severity=Severity.WARNING,
        meaning="Seconds that a read or write of the database's disk takes.",
        summary="A read or write of the disk of {dimension_DBInstanceIdentifier} takes {value:duration}",
        threshold=0.02,
        for_seconds=15 * MINUTE,
        promql="aws_rds_read_latency_average{$own} > $threshold or aws_rds_write_latency_average{$own} > $threshold",
        cloudwatch=True,
    ),
    Alert(
        name="ReplicationLagHigh",
        severity=Severity.WARNING,
        meaning="Seconds that a read replica is behind.",
        summary="The replica that {service} reads is {value:.1f} s behind; reads go to the primary",
        threshold=1,
        for_seconds=5 * MINUTE,
        promql="max by (job) (almanac_replication_lag_seconds{$own}) > $threshold",
        evaluated=True,
        clears_at=0.5,
        cloudwatch=True,
    ),
    Alert(
        name="StandbyLagHigh",
        severity=Severity.CRITICAL,
        meaning="Seconds that the standby region's replica is behind: a failover now would lose them.",
        summary="The standby's database is {value:.0f} s behind",
        threshold=30,
        for_seconds=5 * MINUTE,
        cloudwatch=True,
    ),
    Alert(
        name="IndexBloatHigh",
        severity=Severity.WARNING,
        meaning="Share of an index of the months in use that a rebuild would free.",
        summary="A rebuild would free {value:.0%} of {index}",
        threshold=0.5,
        for_seconds=HOUR,
        promql="max by (index) (almanac_index_bloat{$own}) > $threshold",
    ),
)
