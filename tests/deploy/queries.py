"""What PromQL asks for: the metrics that rules and dashboards name, and what their labels must be."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import yaml

OBSERVABILITY = Path(__file__).parents[2] / "deploy" / "observability"
RULES = OBSERVABILITY / "prometheus" / "rules"
DASHBOARDS = OBSERVABILITY / "grafana" / "dashboards"
OF_A_DASHBOARD = {"namespace": "almanac", "release": "almanac"}
"""The variables of a dashboard that select a release, and what they are for compose."""

_STRING = r'"(?:[^"\\]|\\.)*"'
_TOKEN = re.compile(
    rf"(?P<string>{_STRING})|(?P<matchers>\{{(?:[^}}\"]|{_STRING})*\}})|(?P<range>\[[^\]]*\])|\$\w+"
    r"|(?P<name>[a-zA-Z_:][\w:]*)|\d[\w.]*(?:(?<=e)-\d+)?|(?P<other>\S)"
)
_MATCHER = re.compile(rf"(\w+)\s*(=~|!~|!=|=)\s*({_STRING})")
_CLAUSES = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_WORDS = {"and", "or", "unless", "bool", "offset"}


@dataclass(frozen=True)
class Selector:
    """A metric, and the matchers on its labels: label, operator, value."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...] = ()

    def selects(self, labels: Mapping[str, str]) -> bool:
        for label, operator, value in self.matchers:
            found = labels.get(label, "")
            same = re.fullmatch(value, found) is not None if "~" in operator else value == found
            if same is operator.startswith("!"):
                return False
        return True

    def without(self, *labels: str) -> "Selector":
        """The same, whatever these labels are."""
        return Selector(self.metric, tuple(each for each in self.matchers if each[0] not in labels))


def selectors(expression: str) -> set[Selector]:
    """The selectors of a PromQL expression."""
    found = set()
    tokens = [*_TOKEN.finditer(expression)]
    in_clause = False
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        name, after = token["name"], following.group() if following else ""
        if name in _CLAUSES:
            in_clause = True
        elif token["other"] == ")":
            in_clause = False
        elif name and not in_clause and name not in _WORDS and after != "(" and after not in _CLAUSES:
            matchers = _MATCHER.findall(after) if following and following["matchers"] else ()
            found.add(Selector(name, tuple((label, operator, json.loads(text)) for label, operator, text in matchers)))
    return found


def rules() -> list[dict[str, Any]]:
    """All rules, recording and alerting."""
    files = [yaml.safe_load(file.read_text()) for file in sorted(RULES.glob("*.yaml"))]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def expressions() -> Iterator[tuple[str, str]]:
    """Every query there is, with where it is."""
    for rule in rules():
        yield rule.get("alert") or rule["record"], rule["expr"]
    for file in sorted(DASHBOARDS.glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{file.stem}: {panel['title']}", Template(target["expr"]).safe_substitute(OF_A_DASHBOARD)


def cloudwatch_names(configuration: Path = OBSERVABILITY / "cloudwatch-exporter" / "config.yaml") -> set[str]:
    """The names that yet-another-cloudwatch-exporter gives to its configured metrics (its pkg/promutil/migrate.go)."""
    jobs = yaml.safe_load(configuration.read_text())["discovery"]["jobs"]
    return {
        f"{job['type'].lower().replace('/', '_')}_{_snake(metric['name'])}_{_snake(statistic)}"
        for job in jobs
        for metric in job["metrics"]
        for statistic in metric["statistics"]
    }


def _snake(name: str) -> str:
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()
