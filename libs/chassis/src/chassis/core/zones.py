"""IANA time zones, from the ``tzdata`` package and never from the system (docs/architecture.md#local-time).

So that every image agrees on the rules, and an update of them is an update of a pinned dependency. Importing this
module turns the whole process away from the system's files: ``ZoneInfo`` means the same everywhere in it.
"""

import hashlib
import importlib.resources
import io
import zoneinfo
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import tzdata  # type: ignore[import-untyped]  # one constant is all that is used

zoneinfo.reset_tzpath(to=())
ZoneInfo.clear_cache()

TZDATA_VERSION: str = tzdata.IANA_VERSION
"""The release of the IANA database, like ``2026a``."""

# `Factory` is the database's own name for an unset clock.
_NAMES = frozenset(zoneinfo.available_timezones() - {"Factory"})


def is_zone(name: str) -> bool:
    """Whether the database knows a zone of exactly this name; case matters, deprecated names count."""
    return name in _NAMES


def zone_names() -> list[str]:
    """All zones, in alphabetical order."""
    return sorted(_NAMES)


# The database merges places whose clocks agree since 1970: there, Iceland is a link to Abidjan. These ten links name
# the place that is meant (the comments `#=` of its file `backward`, which the package leaves out).
_RENAMED_IN_MERGED_ZONES = {
    "Africa/Asmera": "Africa/Asmara",
    "Africa/Timbuktu": "Africa/Bamako",
    "America/Coral_Harbour": "America/Atikokan",
    "America/Virgin": "America/St_Thomas",
    "Antarctica/South_Pole": "Antarctica/McMurdo",
    "Atlantic/Jan_Mayen": "Europe/Oslo",
    "Iceland": "Atlantic/Reykjavik",
    "Pacific/Ponape": "Pacific/Pohnpei",
    "Pacific/Truk": "Pacific/Chuuk",
    "Pacific/Yap": "Pacific/Chuuk",
}
# Rules without a place. The database links them to one since 2024b, but who chose CET does not live in Brussels.
_WITHOUT_PLACE = frozenset(
    ("CET", "CST6CDT", "EET", "EST", "EST5EDT", "HST", "MET", "MST", "MST7MDT", "PST8PDT", "WET")
)


@cache
def _links() -> dict[str, str]:
    """The current name by each deprecated one, from the package's ``tzdata.zi`` and ``zone.tab``."""
    files = importlib.resources.files(tzdata).joinpath("zoneinfo")
    # Each country has zones of its own in zone.tab. A link between two of those is a merger, not a change of name.
    rows = files.joinpath("zone.tab").read_text().splitlines()
    places = {row.split("\t")[2] for row in rows if row and not row.startswith("#")}
    lines = (line.split() for line in files.joinpath("tzdata.zi").read_text().splitlines())
    linked = {line[2]: line[1] for line in lines if line[:1] == ["L"]}
    renamed = {name: target for name, target in linked.items() if name not in places | _WITHOUT_PLACE}
    return {name: _RENAMED_IN_MERGED_ZONES.get(name, target) for name, target in renamed.items()}


def current_name(name: str) -> str:
    """The name that the database uses today: Asia/Kolkata for Asia/Calcutta. Others, unknown ones too, stay."""
    return _links().get(name, name)


@cache
def _names_of_one_zone() -> dict[str, tuple[str, ...]]:
    groups: dict[str, list[str]] = {}
    for name in known_names():
        groups.setdefault(current_name(name), []).append(name)
    return {name: tuple(names) for name, names in groups.items()}


def aliases(name: str) -> tuple[str, ...]:
    """All names of the zone ``name``, this one among them, in alphabetical order."""
    return _names_of_one_zone().get(current_name(name), (name,))


_kept: dict[str, ZoneInfo] = {}
"""Zones that this release of the database has dropped, by the rules that an earlier one had for them."""


def keep(name: str, rules: bytes) -> None:
    """Go on with a zone that the database no longer has, by its last known rules (a TZif file, RFC 8536)."""
    if not is_zone(name):
        _kept[name] = ZoneInfo.from_file(io.BytesIO(rules), key=name)
        _names_of_one_zone.cache_clear()


def known_names() -> list[str]:
    """All zones that have rules, those that the database dropped among them."""
    return sorted(_NAMES | _kept.keys())


def is_known(name: str) -> bool:
    """Whether :func:`zone` has rules: the database's, or the last known ones of a zone that it dropped."""
    return is_zone(name) or name in _kept


def rules(name: str) -> bytes:
    """The rules of a zone of the database, as a TZif file."""
    return _file(name)


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
        ZoneInfoNotFoundError: :func:`is_known` says no.
    """
    if (kept := _kept.get(name)) is not None:
        return kept
    # Asked first, since a file system that ignores case would find `europe/berlin`.
    if not is_zone(name):
        raise ZoneInfoNotFoundError(f"the IANA database {TZDATA_VERSION} has no zone {name!r}")
    return ZoneInfo(name)
