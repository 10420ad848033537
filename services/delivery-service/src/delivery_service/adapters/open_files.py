"""How many files the process may have open: each socket is one."""

import resource

import structlog

log = structlog.get_logger(__name__)

SPARE = 500
"""Files that are no sockets of attempts: database, bus, logs, the API's clients."""


def raise_open_files(wanted: int) -> int:
    """Let the process open ``wanted`` sockets beside its other files. Return how many it may open in fact.

    The soft limit is 1,024 on many systems, for the sake of programs that use select(); the hard limit is what counts,
    and a process may go up to it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + SPARE
    if soft != resource.RLIM_INFINITY and soft < needed:
        reached = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (reached, hard))
        soft = reached
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    log.warning("fewer slow slots: the limit of open files is too low", limit=soft, needed=needed)
    return max(0, soft - SPARE)
