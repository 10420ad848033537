"""A second region: its resources, its DNS, and the changes of a promotion."""

import json
from typing import Any

import pytest
from almanac_aws.names import SERVICES
from aws_templates import Synthesized

pytestmark = pytest.mark.thorough
HOSTS = {f"{whose}.almanac.example" for whose in SERVICES.values()}


def _replica(synthesized: Synthesized) -> dict[str, Any]:
    (found,) = synthesized.resources("standby-database", "AWS::RDS::DBInstance").values()
    return found


def test_it_is_an_option(million: Synthesized) -> None:
    assert not [name for name in million.templates if name.startswith("standby") or name == "dns"]


def test_the_standbys_database_follows_the_primarys(two_regions: Synthesized) -> None:
    replica = _replica(two_regions)
    source = "".join(
        part if isinstance(part, str) else "<account>" for part in replica["SourceDBInstanceIdentifier"]["Fn::Join"][1]
    )
    (primary,) = (
        each["DBInstanceIdentifier"]
        for each in two_regions.resources("database", "AWS::RDS::DBInstance").values()
        if "SourceDBInstanceIdentifier" not in each
    )
    assert source == f"arn:aws:rds:us-east-1:<account>:db:{primary}"
    assert replica["SourceRegion"] == "us-east-1"
    assert replica["DBInstanceClass"] == "db.r6g.2xlarge", "it must be able to take the primary's place"
    assert replica["MultiAZ"] is True
    (key,) = (
        id
        for id, each in two_regions.resources("standby-database", "AWS::KMS::Key").items()
        if "Databases" in each["Description"]
    )
    assert replica["KmsKeyId"] == {"Fn::GetAtt": [key, "Arn"]}


def test_what_another_region_is_known_for_by_name_is_made_after_it(two_regions: Synthesized) -> None:
    artifacts = json.loads((two_regions.folder / "manifest.json").read_text())["artifacts"]
    assert "almanac-5m-database" in artifacts["almanac-5m-standby-database"]["dependencies"]
    assert "almanac-5m-standby-switch" in artifacts["almanac-5m-dns"]["dependencies"]


def test_the_standby_has_a_bus_of_its_own_with_the_same_names(two_regions: Synthesized) -> None:
    def names(stack: str) -> list[str]:
        queues = two_regions.resources(stack, "AWS::SQS::Queue").values()
        topics = two_regions.resources(stack, "AWS::SNS::Topic").values()
        return sorted([each["QueueName"] for each in queues] + [each["TopicName"] for each in topics])

    assert names("standby-messaging") == names("messaging")
    assert {stack for stack in two_regions.templates if stack.startswith("standby-")} >= {
        f"standby-{noun}" for noun in ("network", "messaging", "archive", "identity", "secrets", "observability")
    }


def test_roles_of_both_regions_have_names_of_their_own(two_regions: Synthesized) -> None:
    names = [
        each["RoleName"]
        for stack in ("identity", "standby-identity")
        for each in two_regions.resources(stack, "AWS::IAM::Role").values()
    ]
    assert len(set(names)) == len(names) == 2 * 8
    assert all(len(name) <= 64 for name in names)


def test_before_the_promotion_there_is_no_proxy_and_no_backup_and_the_lag_pages(two_regions: Synthesized) -> None:
    assert not two_regions.resources("standby-database", "AWS::RDS::DBProxy")
    assert not two_regions.resources("standby-database", "AWS::StepFunctions::StateMachine")
    assert "BackupRetentionPeriod" not in _replica(two_regions)
    alarms = two_regions.resources("standby-observability", "AWS::CloudWatch::Alarm").values()
    (lag,) = (each for each in alarms if each["AlarmName"].endswith("standby-lag"))
    assert (lag["Threshold"], lag["EvaluationPeriods"], lag["TreatMissingData"]) == (30, 5, "breaching")
    assert "critical" in json.dumps(lag["AlarmActions"])


def test_after_the_promotion_it_has_what_a_primary_has(failed_over: Synthesized) -> None:
    assert failed_over.resources("standby-database", "AWS::RDS::DBProxy")
    assert failed_over.resources("standby-database", "AWS::StepFunctions::StateMachine")
    assert _replica(failed_over)["BackupRetentionPeriod"] == 7
    alarms = failed_over.resources("standby-observability", "AWS::CloudWatch::Alarm").values()
    assert not [each for each in alarms if each["AlarmName"].endswith("standby-lag")]


def test_each_apis_name_leads_to_the_primary_until_the_switch_is_thrown(two_regions: Synthesized) -> None:
    records = list(two_regions.resources("dns", "AWS::Route53::RecordSet").values())
    assert {each["Name"] for each in records} == HOSTS
    (switch_id,) = (
        id
        for id, each in two_regions.resources("dns", "AWS::Route53::HealthCheck").items()
        if each["HealthCheckConfig"]["Type"] == "CLOUDWATCH_METRIC"
    )
    for host in HOSTS:
        by_role = {each["Failover"]: each for each in records if each["Name"] == host}
        assert by_role["PRIMARY"]["ResourceRecords"] == ["primary.elb.example"]
        assert by_role["PRIMARY"]["HealthCheckId"] == {"Ref": switch_id}
        assert by_role["SECONDARY"]["ResourceRecords"] == ["standby.elb.example"]
        assert "HealthCheckId" not in by_role["SECONDARY"]
        assert {each["TTL"] for each in by_role.values()} == {"60"}


def test_the_switch_is_thrown_in_the_standby_region_and_stays_thrown(two_regions: Synthesized) -> None:
    (alarm,) = two_regions.resources("standby-switch", "AWS::CloudWatch::Alarm").values()
    (check,) = (
        each["HealthCheckConfig"]
        for each in two_regions.resources("dns", "AWS::Route53::HealthCheck").values()
        if each["HealthCheckConfig"]["Type"] == "CLOUDWATCH_METRIC"
    )
    assert check["AlarmIdentifier"] == {"Name": alarm["AlarmName"], "Region": "us-west-2"}
    assert check["InsufficientDataHealthStatus"] == "LastKnownStatus"
    assert alarm["TreatMissingData"] == "ignore"
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "GreaterThanOrEqualToThreshold")
    assert "AlarmActions" not in alarm


def test_the_runbook_throws_the_switch_that_there_is(two_regions: Synthesized, pytestconfig: pytest.Config) -> None:
    (alarm,) = two_regions.resources("standby-switch", "AWS::CloudWatch::Alarm").values()
    runbook = (pytestconfig.rootpath / "docs" / "failover.md").read_text()
    assert f"--namespace {alarm['Namespace']} " in runbook
    assert f"--metric-name {alarm['MetricName'].replace('-5m-', '-1m-')}" in runbook
    assert "--db-instance-identifier almanac-1m-standby" in runbook
    assert _replica(two_regions)["DBInstanceIdentifier"] == "almanac-5m-standby"


def test_the_apis_are_watched_from_outside_and_that_moves_nothing(two_regions: Synthesized) -> None:
    checks = [
        each["HealthCheckConfig"]
        for each in two_regions.resources("dns", "AWS::Route53::HealthCheck").values()
        if each["HealthCheckConfig"]["Type"] == "HTTPS"
    ]
    assert {each["FullyQualifiedDomainName"] for each in checks} == HOSTS
    alarms = list(two_regions.resources("dns", "AWS::CloudWatch::Alarm").values())
    assert len(alarms) == len(HOSTS)
    assert all((each["Namespace"], each["TreatMissingData"]) == ("AWS/Route53", "breaching") for each in alarms)


def test_with_one_region_a_name_is_one_record(synthesized: Any) -> None:
    one = synthesized(
        stage="10k", domain="almanac.example", hostedZone="Z0123456789ABCDEFGHIJ", ingress="primary.elb.example"
    )
    records = one.resources("dns", "AWS::Route53::RecordSet").values()
    assert {each["Name"] for each in records} == HOSTS
    assert not [each for each in records if "Failover" in each]
