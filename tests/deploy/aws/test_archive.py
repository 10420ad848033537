"""What happened, kept in S3."""

import json

import pytest
from aws_templates import Synthesized

from contracts.messages.spec import Bus

pytestmark = pytest.mark.thorough


def test_every_message_of_the_buses_is_archived(each_stage: Synthesized) -> None:
    subscriptions = list(each_stage.resources("archive", "AWS::SNS::Subscription").values())
    streams = each_stage.resources("archive", "AWS::KinesisFirehose::DeliveryStream")
    assert len(subscriptions) == len(streams) == len(Bus)
    for subscription in subscriptions:
        assert subscription["Protocol"] == "firehose"
        assert subscription["RawMessageDelivery"] is True
        assert "FilterPolicy" not in subscription
        assert subscription["RedrivePolicy"]["deadLetterTargetArn"]
        stream = streams[subscription["Endpoint"]["Fn::GetAtt"][0]]
        topic = json.dumps(subscription["TopicArn"]).replace("-", "")
        assert stream["DeliveryStreamName"].replace("-", "") in topic
    assert {each["DeliveryStreamName"] for each in streams.values()} == {f"bday-{bus}" for bus in Bus}


def test_it_is_written_a_message_a_line_gzipped_by_bus_and_day(each_stage: Synthesized) -> None:
    for stream in each_stage.resources("archive", "AWS::KinesisFirehose::DeliveryStream").values():
        destination = stream["ExtendedS3DestinationConfiguration"]
        bus = stream["DeliveryStreamName"].removeprefix("bday-")
        assert destination["CompressionFormat"] == "GZIP"
        assert destination["Prefix"] == f"{bus}/!{{timestamp:yyyy/MM/dd}}/"
        assert destination["ErrorOutputPrefix"].startswith(f"undelivered/{bus}/")
        assert destination["BufferingHints"] == {"IntervalInSeconds": 300, "SizeInMBs": 64}
        processors = destination["ProcessingConfiguration"]["Processors"]
        assert [each["Type"] for each in processors] == ["AppendDelimiterToRecord"]
        assert destination["EncryptionConfiguration"]["KMSEncryptionConfig"]


def test_it_sinks_to_cheaper_storage_and_ends_after_thirteen_months(each_stage: Synthesized) -> None:
    (bucket,) = each_stage.resources("archive", "AWS::S3::Bucket").values()
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    assert [(each["TransitionInDays"], each["StorageClass"]) for each in rule["Transitions"]] == [
        (30, "STANDARD_IA"),
        (90, "GLACIER_IR"),
        (180, "DEEP_ARCHIVE"),
    ]
    assert rule["ExpirationInDays"] == 400


def test_no_bucket_is_public_or_plain(two_regions: Synthesized) -> None:
    buckets = [
        (stack, name, each["Properties"])
        for stack, name, each in two_regions.everything()
        if each["Type"] == "AWS::S3::Bucket"
    ]
    assert len(buckets) == 3
    for stack, name, bucket in buckets:
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
        policies = two_regions.resources(stack, "AWS::S3::BucketPolicy").values()
        (policy,) = (each for each in policies if each["Bucket"] == {"Ref": name})
        denied = [each for each in policy["PolicyDocument"]["Statement"] if each["Effect"] == "Deny"]
        assert [each["Condition"] for each in denied] == [{"Bool": {"aws:SecureTransport": "false"}}]


def test_every_key_renews_itself(two_regions: Synthesized) -> None:
    keys = [each["Properties"] for _, _, each in two_regions.everything() if each["Type"] == "AWS::KMS::Key"]
    assert len(keys) >= 8
    assert all(each["EnableKeyRotation"] is True for each in keys)
