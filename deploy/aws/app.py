"""What ``cdk`` runs, and ``make synth``: ``python deploy/aws/app.py -c stage=1m [-c key=value …]``.

Writes the templates to ``deploy/aws/cdk.out``, or where ``CDK_OUTDIR`` says, and prints their names. Needs no network.
``… values -c stage=1m -c account=…`` prints what the chart must know of it; ``… values standby -c …`` of the standby.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from almanac_aws.deployment import DeploymentError, parse_deployment  # noqa: E402
from almanac_aws.synthesis import context_of, synthesize  # noqa: E402


def main(arguments: list[str]) -> int:
    """The command line; returns the exit status."""
    try:
        match arguments:
            case ["values", "standby", *rest]:
                sys.stdout.write(_values(rest, "standby"))
            case ["values", *rest]:
                sys.stdout.write(_values(rest, "primary"))
            case rest:
                outdir = Path(os.environ.get("CDK_OUTDIR", HERE / "cdk.out"))
                sys.stdout.write("".join(f"{path}\n" for path in synthesize(context_of(rest), outdir)))
    except DeploymentError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _values(arguments: list[str], seat: str) -> str:
    import yaml
    from almanac_aws.chart_values import chart_values

    return yaml.safe_dump(chart_values(parse_deployment(context_of(arguments)), seat), sort_keys=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
