"""What happened, kept: every message of the buses goes through Firehose to S3, and sinks to cheaper storage there."""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_kinesisfirehose as firehose
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from almanac_aws.keys import make_key
from almanac_aws.logs import make_log_group
from almanac_aws.messaging import Messaging
from almanac_aws.sizes import ARCHIVE_DAYS, Size
from contracts.messages.spec import Bus
from contracts.topology import DAY

TIERS: Final = (
    (30, s3.StorageClass.INFREQUENT_ACCESS),
    (90, s3.StorageClass.GLACIER_INSTANT_RETRIEVAL),
    (180, s3.StorageClass.DEEP_ARCHIVE),
)
BUFFER_SECONDS: Final = 300
BUFFER_MIB: Final = 64


def make_bucket(
    scope: Construct, name: str, key: cdk.aws_kms.IKey, rules: list[s3.LifecycleRule], size: Size
) -> s3.Bucket:
    """A private bucket: encrypted, versioned, by TLS only."""
    forever = cdk.RemovalPolicy.RETAIN if size.protected else cdk.RemovalPolicy.DESTROY
    return s3.Bucket(
        scope,
        name,
        encryption=s3.BucketEncryption.KMS,
        encryption_key=key,
        bucket_key_enabled=True,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        enforce_ssl=True,
        versioned=True,
        lifecycle_rules=rules,
        removal_policy=forever,
    )


class Archive(Construct):
    """One object each five minutes, gzipped, a message a line, under its bus and day."""

    def __init__(self, scope: Construct, messaging: Messaging, *, name: str, size: Size) -> None:
        super().__init__(scope, "Archive")
        self.key = make_key(self, f"alias/{name}-archive", "Messages of Almanac", protected=size.protected)
        self.bucket = make_bucket(self, "Bucket", self.key, _lifecycle(), size)
        self.dead_letters = sqs.Queue(
            self,
            "DeadLetters",
            queue_name=f"{messaging.topology.prefix}-archive-dlq",
            retention_period=cdk.Duration.seconds(14 * DAY),
            encryption=sqs.QueueEncryption.KMS,
            # The bus' key, which SNS may use already.
            encryption_master_key=messaging.key,
            data_key_reuse=cdk.Duration.hours(1),
            enforce_ssl=True,
        )
        self.streams = {
            bus: firehose.DeliveryStream(
                self,
                bus.value,
                delivery_stream_name=f"{messaging.topology.prefix}-{bus}",
                encryption=firehose.StreamEncryption.aws_owned_key(),
                destination=firehose.S3Bucket(
                    self.bucket,
                    encryption_key=self.key,
                    compression=firehose.Compression.GZIP,
                    file_extension=".ndjson.gz",
                    buffering_interval=cdk.Duration.seconds(BUFFER_SECONDS),
                    buffering_size=cdk.Size.mebibytes(BUFFER_MIB),
                    data_output_prefix=f"{bus}/!{{timestamp:yyyy/MM/dd}}/",
                    error_output_prefix=f"undelivered/{bus}/!{{firehose:error-output-type}}/!{{timestamp:yyyy/MM/dd}}/",
                    processors=[firehose.AppendDelimiterToRecordProcessor()],
                    logging_config=firehose.EnableLogging(
                        make_log_group(self, f"Log-{bus}", f"/almanac/{name}/archive/{bus}", size)
                    ),
                ),
            )
            for bus in Bus
        }
        for bus, stream in self.streams.items():
            messaging.topics[messaging.topology.topic(bus).name].add_subscription(
                subscriptions.FirehoseSubscription(
                    stream, raw_message_delivery=True, dead_letter_queue=self.dead_letters
                )
            )


def _lifecycle() -> list[s3.LifecycleRule]:
    return [
        s3.LifecycleRule(
            id="tiers",
            transitions=[
                s3.Transition(storage_class=tier, transition_after=cdk.Duration.days(days)) for days, tier in TIERS
            ],
            expiration=cdk.Duration.days(ARCHIVE_DAYS),
            noncurrent_version_expiration=cdk.Duration.days(7),
            abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
        )
    ]
