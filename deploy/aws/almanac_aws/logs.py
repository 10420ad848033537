"""Log groups, created before their writers would create them without a retention."""

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from constructs import Construct

from almanac_aws.sizes import Size

_RETENTION = {3: logs.RetentionDays.THREE_DAYS, 7: logs.RetentionDays.ONE_WEEK}


def make_log_group(scope: Construct, id: str, name: str, size: Size) -> logs.LogGroup:
    """A log group that keeps what the stage keeps: logs tell of this week, databases and archive of the rest."""
    return logs.LogGroup(
        scope,
        id,
        log_group_name=name,
        retention=_RETENTION[size.log_days],
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
