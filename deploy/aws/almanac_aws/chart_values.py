"""What the chart must know of the account, as values to lay over those of a profile."""

from typing import Any

from almanac_aws.deployment import Deployment, DeploymentError
from almanac_aws.names import KEY_SETTINGS, RANGES, SERVICES, address_settings, data_range, role_name


def chart_values(deployment: Deployment, seat: str) -> dict[str, Any]:
    """Values to lay over those of the stage's profile, for the cluster of one region.

    Raises:
        DeploymentError: the account is not said; names of roles have it in them.
    """
    if deployment.account is None:
        raise DeploymentError("account is missing and should be twelve digits: the roles' names have it in them")
    account = deployment.account
    region = deployment.region if seat == "primary" else str(deployment.standby_region)

    def role(whose: str) -> str:
        return f"arn:aws:iam::{account}:role/{role_name(deployment.name, region, whose)}"

    settings = address_settings(deployment, seat)
    data = [data_range(seat)]
    return {
        "aws": {"region": region, "accountId": account},
        "topology": {"prefix": deployment.prefix, "apply": False, "roleArn": role("jobs")},
        "services": {
            whose: {
                "roleArn": role(whose),
                "secret": {
                    "remote": {
                        name: f"{deployment.namespace}/{whose}/{value}"
                        for name, value in {**settings, **KEY_SETTINGS[whose]}.items()
                    }
                },
            }
            for whose in SERVICES.values()
        },
        "database": {"pooler": "LISTEN_URL" in settings},
        "keda": {"roleArn": role("keda")},
        "monitoring": {"runbookUrl": deployment.runbook_url},
        "networkPolicy": {
            "databaseCidrs": data,
            "busCidrs": data,
            "cacheCidrs": data,
            # The load balancer's addresses are in the public subnets, which lie anywhere in the network.
            "ingressCidrs": [RANGES[seat]],
        },
    }
