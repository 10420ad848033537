"""Time zones of the IANA database, from the ``tzdata`` package and never from the system (design §4 "Local time").

So that every image agrees on the rules, and an update of them is an update of a pinned dependency. Importing this
module turns the whole process away from the system's files: ``ZoneInfo`` means the same everywhere in it.
"""

import hashlib
import importlib.resources
import zoneinfo
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import tzdata  # type: ignore[import-untyped]  # one constant is all that is used

zoneinfo.reset_tzpath(to=())
ZoneInfo.clear_cache()

TZDATA_VERSION: str = tzdata.IANA_VERSION
"""The release of the IANA database, like ``2026a``."""

# `Factory` is the database's own word for a clock that nobody has set.
_NAMES = frozenset(zoneinfo.available_timezones() - {"Factory"})


def is_zone(name: str) -> bool:
    """Whether the database knows a zone of exactly this name; case matters, deprecated names count."""
    return name in _NAMES


def zone_names() -> list[str]:
    """All zones, in alphabetical order."""
    return sorted(_NAMES)


@cache
def fingerprints() -> dict[str, str]:
    """Of each zone a digest of its rules, the same in two releases where those are. A difference may be in the past."""
    return {name: hashlib.sha256(_file(name)).hexdigest() for name in zone_names()}


def _file(name: str) -> bytes:
    return importlib.resources.files(tzdata).joinpath("zoneinfo", *name.split("/")).read_bytes()


@cache
def zone(name: str) -> ZoneInfo:
    """The zone's rules.

    Raises:
        ZoneInfoNotFoundError: :func:`is_zone` says no.
    """
    # Asked first, since a file system that ignores case would find `europe/berlin`.
    if not is_zone(name):
        raise ZoneInfoNotFoundError(f"the IANA database {TZDATA_VERSION} has no zone {name!r}")
    return ZoneInfo(name)
