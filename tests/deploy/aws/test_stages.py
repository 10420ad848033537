"""What each stage buys, and that its templates are what CloudFormation takes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from almanac_aws.deployment import DeploymentError, parse_deployment
from almanac_chart import profile_values
from aws_templates import Synthesized

pytestmark = pytest.mark.thorough
APP = Path(__file__).parents[3] / "deploy" / "aws" / "app.py"
INSTANCES = {
    "dev": ("db.t3.small", False, 20, None, []),
    "10k": ("db.t3.medium", False, 100, None, []),
    "100k": ("db.r6g.large", True, 200, None, ["db.r6g.large"]),
    "1m": ("db.r6g.xlarge", True, 500, 12_000, ["db.r6g.large"] * 2),
    "5m": ("db.r6g.2xlarge", True, 2_000, 16_000, ["db.r6g.xlarge"] * 2),
}


def _app(*arguments: str, before: tuple[str, ...] = (), **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, sys.executable, str(APP), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_cloudformation_has_nothing_against_any_stage(each_stage: Synthesized) -> None:
    assert each_stage.violations == []


def test_cloudformation_has_nothing_against_two_regions(two_regions: Synthesized, failed_over: Synthesized) -> None:
    assert two_regions.violations == []
    assert failed_over.violations == []


def test_the_database_is_as_large_as_its_stage_says(each_stage: Synthesized) -> None:
    found = each_stage.resources("database", "AWS::RDS::DBInstance").values()
    (primary,) = (each for each in found if "SourceDBInstanceIdentifier" not in each)
    replicas = [each["DBInstanceClass"] for each in found if "SourceDBInstanceIdentifier" in each]
    assert INSTANCES[each_stage.deployment.stage] == (
        primary["DBInstanceClass"],
        primary["MultiAZ"],
        int(primary["AllocatedStorage"]),
        primary.get("Iops"),
        replicas,
    )
    assert {each["StorageType"] for each in found} == {"gp3"}


def test_a_proxy_and_a_cache_are_there_from_the_stage_on_that_needs_them(each_stage: Synthesized) -> None:
    stage = each_stage.deployment.stage
    assert bool(each_stage.resources("database", "AWS::RDS::DBProxy")) == (stage in {"100k", "1m", "5m"})
    assert ("cache" in each_stage.templates) == (stage == "5m")


def test_a_cache_can_be_had_at_any_stage_and_left_out_at_any(synthesized: Any) -> None:
    small = synthesized(stage="dev", cache="true")
    small.has("cache", "AWS::ElastiCache::ReplicationGroup", {"CacheNodeType": "cache.t4g.small", "Engine": "valkey"})
    assert "cache" not in synthesized(stage="5m", cache="false").templates


def test_the_cache_is_encrypted_and_stands_in_for_itself(two_regions: Synthesized) -> None:
    two_regions.has(
        "cache",
        "AWS::ElastiCache::ReplicationGroup",
        {
            "AtRestEncryptionEnabled": True,
            "TransitEncryptionEnabled": True,
            "AutomaticFailoverEnabled": True,
            "MultiAZEnabled": True,
            "NumCacheClusters": 2,
        },
    )


def test_the_chart_expects_a_pooler_where_there_is_one(each_stage: Synthesized) -> None:
    pooler = profile_values(each_stage.deployment.stage).get("database", {}).get("pooler", False)
    assert pooler == each_stage.deployment.size.proxy


def test_every_log_is_kept_a_week_in_production_and_three_days_elsewhere(each_stage: Synthesized) -> None:
    groups = [each["Properties"] for _, _, each in each_stage.everything() if each["Type"] == "AWS::Logs::LogGroup"]
    assert {each["RetentionInDays"] for each in groups} == {3 if each_stage.deployment.stage == "dev" else 7}
    names = {each["LogGroupName"] for each in groups}
    name = each_stage.deployment.name
    assert {f"/almanac/{name}/{whose}" for whose in ("user", "event", "delivery", "analytics")} <= names
    assert f"/aws/rds/instance/{name}/postgresql" in names


def test_resources_have_cost_allocation_tags(each_stage: Synthesized) -> None:
    stage = each_stage.deployment.stage
    for stack, type in (
        ("database", "AWS::RDS::DBInstance"),
        ("messaging", "AWS::SQS::Queue"),
        ("messaging", "AWS::SNS::Topic"),
        ("archive", "AWS::S3::Bucket"),
        ("network", "AWS::EC2::NatGateway"),
    ):
        for properties in each_stage.resources(stack, type).values():
            tags = {each["Key"]: each["Value"] for each in properties["Tags"]}
            assert tags.items() >= {
                "cost-center": "almanac", "project": "almanac", "stage": stage, "component": stack
            }.items()  # fmt: skip


def test_data_resources_outlive_their_stack_except_in_dev(each_stage: Synthesized) -> None:
    dear = {"AWS::S3::Bucket": "Retain", "AWS::KMS::Key": "Retain", "AWS::RDS::DBInstance": "Snapshot"}
    policies = {
        (each["Type"], each["DeletionPolicy"])
        for _, _, each in each_stage.everything()
        if each["Type"] in dear and "SourceDBInstanceIdentifier" not in each["Properties"]
    }
    dev = each_stage.deployment.stage == "dev"
    assert policies == {(type, "Delete" if dev else policy) for type, policy in dear.items()}


def test_no_code_runs_for_the_account_itself(each_stage: Synthesized) -> None:
    types = {each["Type"] for _, _, each in each_stage.everything()}
    assert not [each for each in types if each.startswith(("Custom::", "AWS::Lambda::", "AWS::CloudFormation::"))]


def test_templates_are_written_without_a_network_and_without_a_node_of_the_machines(tmp_path: Path) -> None:
    alone = ("unshare", "--map-root-user", "--net", "env", f"PATH={tmp_path}")
    if subprocess.run([*alone, "/bin/true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no network namespace can be made here")
    pytest.importorskip("aws_cdk", reason="`make test-deploy` installs it")
    result = _app("-c", "stage=1m", before=alone, CDK_OUTDIR=str(tmp_path / "out"))
    assert result.returncode == 0, result.stderr
    written = [Path(line) for line in result.stdout.splitlines() if line.endswith(".template.json")]
    assert {path.name.removesuffix(".template.json") for path in written} >= {
        f"almanac-1m-{noun}" for noun in ("network", "messaging", "archive", "database", "observability", "secrets")
    }
    assert all(json.loads(path.read_text())["Resources"] for path in written)


@pytest.mark.parametrize(
    ("context", "said"),
    [
        ({}, "stage is missing"),
        ({"stage": "2m"}, "stage is '2m' and should be one of dev, 10k, 100k, 1m, 5m"),
        ({"stage": "1m", "region": "Frankfurt"}, "region is 'Frankfurt'"),
        ({"stage": "1m", "account": "12"}, "account is '12' and should be twelve digits"),
        ({"stage": "1m", "oidcProvider": "https://oidc.example"}, "oidcProvider is 'https://oidc.example'"),
        ({"stage": "1m", "colour": "red"}, "colour is not known"),
        ({"stage": "1m", "standbyRegion": "us-east-1"}, "standbyRegion is us-east-1, as region is"),
        ({"stage": "1m", "active": "standby"}, "active is given and needs standbyRegion"),
        ({"stage": "1m", "domain": "almanac.example"}, "domain is given and needs hostedZone, ingress"),
    ],
)
def test_a_context_that_is_wrong_is_refused_by_name(context: dict[str, str], said: str) -> None:
    with pytest.raises(DeploymentError, match=said):
        parse_deployment(context)


def test_command_reports_its_error_in_one_line_and_writes_nothing(tmp_path: Path) -> None:
    result = _app("-c", "stage=huge", CDK_OUTDIR=str(tmp_path / "out"))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "stage is 'huge' and should be one of dev, 10k, 100k, 1m, 5m\n"
    assert not (tmp_path / "out").exists()


def test_cdks_own_context_is_ignored() -> None:
    assert parse_deployment({"stage": "dev", "aws:cdk:bundling-stacks": ["**"], "@aws-cdk/x": True}).stage == "dev"


def test_the_values_for_the_chart_are_printed_as_a_file_of_values() -> None:
    result = _app("values", "-c", "stage=1m", "-c", "account=123456789012")
    assert result.returncode == 0, result.stderr
    assert yaml.safe_load(result.stdout)["aws"] == {"region": "us-east-1", "accountId": "123456789012"}
    assert _app("values", "-c", "stage=1m").stderr.startswith("account is missing")
