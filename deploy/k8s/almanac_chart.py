"""The chart as this repository uses it: its topology file, written from the contracts, and its rendered profiles.

``python deploy/k8s/almanac_chart.py topology`` · ``… render PROFILE`` (on standard output, nothing else)
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from contracts.topology import build_topology

CHART = Path(__file__).parent / "almanac"
PROFILES = ("dev", "10k", "100k", "1m", "5m")
RELEASE = NAMESPACE = "almanac"
TOPOLOGY = CHART / "files" / "topology.yaml"


class UnknownProfileError(ValueError):
    """There is no such profile."""


def topology() -> str:
    """What the chart knows of the queues, as YAML: names without prefix, fleet concurrency, alarm depths."""
    declared = build_topology()
    queues = {
        queue.name.removeprefix(f"{declared.prefix}-"): {
            "owner": queue.owner.value,
            "concurrency": queue.concurrency,
            "warnDepth": queue.warn_depth,
            "pageDepth": queue.page_depth,
        }
        for queue in declared.queues
    }
    return "# Written from contracts.topology by `make chart-topology`.\n" + yaml.safe_dump(
        {"queues": queues}, sort_keys=False
    )


def profile_values(profile: str) -> dict[str, Any]:
    """The values of a profile. Raises UnknownProfileError."""
    if profile not in PROFILES:
        raise UnknownProfileError(f"PROFILE is {profile!r} and should be one of {', '.join(PROFILES)}")
    values: dict[str, Any] = yaml.safe_load((CHART / f"values-{profile}.yaml").read_text())
    return values


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """As Helm merges values: maps key by key, everything else replaced."""
    result = dict(base)
    for key, value in over.items():
        result[key] = merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
    return result


def render(values: dict[str, Any], name: str = RELEASE, namespace: str = NAMESPACE) -> str:
    """The chart's manifests under ``values``, as one YAML stream in the order of their files, without the notes.

    Raises:
        helm_python.HelmError: the schema or a template refuses the values.
    """
    # Loaded here: it is a large library, which the rest of this module does without.
    from helm_python import Chart

    with Chart.load(CHART) as chart:
        chart.validate_schema(values)
        files = chart.render(values, name=name, namespace=namespace)
    documents = []
    for path in sorted(files):
        if path.endswith(".yaml"):
            documents += [text.strip("\n") for text in f"\n{files[path]}".split("\n---\n") if text.strip()]
    return "".join(f"---\n{document}\n" for document in documents)


def manifests(values: dict[str, Any], name: str = RELEASE, namespace: str = NAMESPACE) -> list[dict[str, Any]]:
    """The same, parsed."""
    return [document for document in yaml.safe_load_all(render(values, name, namespace)) if document]


def main(arguments: list[str]) -> int:
    """The command line; returns the exit status."""
    match arguments:
        case ["topology"]:
            TOPOLOGY.write_text(topology())
            return 0
        case ["render", profile]:
            try:
                sys.stdout.write(render(profile_values(profile)))
            except UnknownProfileError as error:
                sys.stderr.write(f"{error}\n")
                return 2
            return 0
    sys.stderr.write(f"{__doc__}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
