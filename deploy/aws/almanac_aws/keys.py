"""Keys of KMS: one for each kind of thing, so that a right to one opens nothing else."""

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from constructs import Construct


def make_key(scope: Construct, alias: str, description: str, *, protected: bool) -> kms.Key:
    """A key that renews itself yearly. The policies of roles, and the services that receive it, define who may use
    it."""
    return kms.Key(
        scope,
        "Key",
        alias=alias,
        description=description,
        enable_key_rotation=True,
        removal_policy=cdk.RemovalPolicy.RETAIN if protected else cdk.RemovalPolicy.DESTROY,
    )
