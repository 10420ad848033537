"""Each day's snapshot, copied to S3. Restores come from snapshots; the copies are for when those are gone."""

import json
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_rds as rds
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as stepfunctions
from constructs import Construct

from almanac_aws.archive import make_bucket
from almanac_aws.keys import make_key
from almanac_aws.sizes import EXPORT_DAYS, Size

AUTOMATED_SNAPSHOT_CREATED: Final = "RDS-EVENT-0091"


class Backups(Construct):
    """When RDS says that the automated snapshot is there, its export to S3 begins. No code runs for that."""

    def __init__(
        self, scope: Construct, instance: rds.IDatabaseInstance, key_arn: str, *, name: str, size: Size
    ) -> None:
        super().__init__(scope, "Backups")
        stack = cdk.Stack.of(self)
        key = make_key(self, f"alias/{name}-backups", "Copies of Almanac's databases", protected=size.protected)
        self.bucket = make_bucket(self, "Bucket", key, _lifecycle(), size)
        exporter = iam.Role(
            self,
            "Exporter",
            description="What RDS writes exports of snapshots as",
            assumed_by=iam.ServicePrincipal("export.rds.amazonaws.com"),
        )
        self.bucket.grant_read_write(exporter)
        starter = iam.Role(
            self,
            "Starter",
            description="Starts exports of snapshots",
            assumed_by=iam.ServicePrincipal("states.amazonaws.com"),
        )
        snapshots = f"arn:{stack.partition}:rds:{stack.region}:{stack.account}:snapshot:rds:{name}-*"
        starter.add_to_policy(iam.PolicyStatement(actions=["rds:StartExportTask"], resources=[snapshots]))
        exporter.grant_pass_role(starter)
        starter.add_to_policy(
            iam.PolicyStatement(
                actions=["kms:CreateGrant", "kms:DescribeKey", "kms:Decrypt", "kms:GenerateDataKey"],
                resources=[key.key_arn, key_arn],
            )
        )
        machine = stepfunctions.CfnStateMachine(
            self,
            "Copy",
            state_machine_name=f"{name}-backup-copy",
            role_arn=starter.role_arn,
            definition_string=json.dumps(self._definition(exporter, key.key_arn)),
        )
        machine.node.add_dependency(starter)
        rule = events.Rule(
            self,
            "SnapshotCreated",
            description="The daily snapshot of the databases is there",
            event_pattern=events.EventPattern(
                source=["aws.rds"],
                detail_type=["RDS DB Snapshot Event"],
                detail={"EventID": [AUTOMATED_SNAPSHOT_CREATED], "SourceIdentifier": [{"prefix": f"rds:{name}-"}]},
            ),
        )
        rule.add_target(
            targets.SfnStateMachine(stepfunctions.StateMachine.from_state_machine_arn(self, "Target", machine.attr_arn))
        )

    def _definition(self, exporter: iam.Role, key_arn: str) -> dict[str, object]:
        return {
            "StartAt": "StartExport",
            "States": {
                "StartExport": {
                    "Type": "Task",
                    "Resource": f"arn:{cdk.Aws.PARTITION}:states:::aws-sdk:rds:startExportTask",
                    "Parameters": {
                        "ExportTaskIdentifier.$": "States.Format('almanac-{}', States.UUID())",
                        "SourceArn.$": "$.detail.SourceArn",
                        "S3BucketName": self.bucket.bucket_name,
                        "S3Prefix": "daily",
                        "IamRoleArn": exporter.role_arn,
                        "KmsKeyId": key_arn,
                    },
                    # An export of the day before may still be on its way.
                    "Retry": [
                        {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 300, "MaxAttempts": 5, "BackoffRate": 2}
                    ],
                    "End": True,
                }
            },
        }


def _lifecycle() -> list[s3.LifecycleRule]:
    return [
        s3.LifecycleRule(
            id="tiers",
            transitions=[
                s3.Transition(storage_class=s3.StorageClass.INTELLIGENT_TIERING, transition_after=cdk.Duration.days(0))
            ],
            expiration=cdk.Duration.days(EXPORT_DAYS),
            noncurrent_version_expiration=cdk.Duration.days(7),
            abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
        )
    ]
