"""The templates of a deployment on AWS, to be looked at."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from almanac_aws.deployment import Deployment

Properties = dict[str, Any]


@dataclass(frozen=True)
class Synthesized:
    """The templates of one deployment, by the last part of their stacks' names."""

    deployment: Deployment
    folder: Path
    asserted: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def templates(self) -> dict[str, dict[str, Any]]:
        """Name of the stack without that of the deployment → template."""
        suffix = ".template.json"
        return {
            path.name.removesuffix(suffix).removeprefix(f"{self.deployment.name}-"): json.loads(path.read_text())
            for path in sorted(self.folder.glob(f"*{suffix}"))
        }

    def resources(self, stack: str, type: str) -> dict[str, Properties]:
        """Logical id → properties, of everything of a type in a stack."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.templates[stack]["Resources"].items()
            if resource["Type"] == type
        }

    def everything(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Every resource: its stack, its logical id, itself."""
        for stack, template in self.templates.items():
            for name, resource in template["Resources"].items():
                yield stack, name, resource

    def template(self, stack: str) -> Any:
        """The stack as `aws_cdk.assertions` look at it."""
        from aws_cdk.assertions import Template

        if stack not in self.asserted:
            self.asserted[stack] = Template.from_json(self.templates[stack])
        return self.asserted[stack]

    def has(self, stack: str, type: str, properties: Mapping[str, Any]) -> None:
        """Assert that the stack has one of this type with these properties, whatever else it has."""
        self.template(stack).has_resource_properties(type, properties)

    @cached_property
    def violations(self) -> list[str]:
        """What CloudFormation's own validation says against the templates."""
        report = json.loads((self.folder / "validation-report.json").read_text())
        return [each["description"] for plugin in report["pluginReports"] for each in plugin["violations"]]
