"""The templates of every stage, synthesized once. All tests here want what `make test-deploy` installs."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from almanac_aws.deployment import parse_deployment
from almanac_aws.sizes import SIZES
from almanac_aws.synthesis import choose_node, context_of
from aws_templates import Synthesized

PROVIDER = "oidc.eks.us-east-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E"
STANDBY_PROVIDER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLEB71EEA0BC768B5924ACCDE4C1"
TWO_REGIONS = {
    "stage": "5m",
    "standbyRegion": "us-west-2",
    "standbyOidcProvider": STANDBY_PROVIDER,
    "domain": "almanac.example",
    "hostedZone": "Z0123456789ABCDEFGHIJ",
    "ingress": "primary.elb.example",
    "standbyIngress": "standby.elb.example",
    "alertEmail": "operators@almanac.example",
    "runbookUrl": "https://wiki.almanac.example/operations",
    "pagerUrl": "https://pager.example/almanac",
    "emailIdentity": "almanac.example",
    "sms": "true",
}

# A stage takes 6 to 15 s on two quiet cores.
_SYNTHESIS_SECONDS = 500

Synthesizer = Callable[..., Synthesized]


@pytest.fixture(scope="session")
def synthesized(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Synthesizer:
    """`synthesized(stage="1m", key="value")`, made when first asked for."""
    choose_node()
    pytest.importorskip("aws_cdk", reason="`make test-deploy` installs it")
    made: dict[str, Synthesized] = {}

    def make(**context: str) -> Synthesized:
        key = json.dumps(context, sort_keys=True)
        if key not in made:
            folder = tmp_path_factory.mktemp("cdk") / "out"
            whole = context_of([]) | {"oidcProvider": PROVIDER} | context
            _synthesize(pytestconfig.rootpath, whole, folder)
            made[key] = Synthesized(parse_deployment(whole), folder)
        return made[key]

    return make


def _synthesize(root: Path, context: dict[str, object], folder: Path) -> None:
    """Run ``make synth``'s program in a process of its own.

    In this process a test's time limit could interrupt a call to jsii's Node process, after which every later call
    reads the answer of the one before.
    """
    subprocess.run(
        [sys.executable, str(root / "deploy" / "aws" / "app.py")],
        env={**os.environ, "CDK_CONTEXT_JSON": json.dumps(context), "CDK_OUTDIR": str(folder)},
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=_SYNTHESIS_SECONDS,
    )


@pytest.fixture(scope="session", params=SIZES)
def each_stage(request: pytest.FixtureRequest, synthesized: Synthesizer) -> Synthesized:
    """Each stage, in one region."""
    return synthesized(stage=request.param)


@pytest.fixture(scope="session")
def million(synthesized: Synthesizer) -> Synthesized:
    """The stage of a million users."""
    return synthesized(stage="1m")


@pytest.fixture(scope="session")
def two_regions(synthesized: Synthesizer) -> Synthesized:
    """Everything that can be asked for, in two regions."""
    return synthesized(**TWO_REGIONS)


@pytest.fixture(scope="session")
def failed_over(synthesized: Synthesizer) -> Synthesized:
    """The same, once the standby's database has been promoted."""
    return synthesized(**TWO_REGIONS, active="standby")
