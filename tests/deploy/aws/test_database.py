"""PostgreSQL on RDS: how it is backed up, who gets in, and through what."""

import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from almanac_aws.names import database_user
from aws_templates import Synthesized

from contracts.vocabulary import Service
from testkit.plugin import DatabaseFactory

pytestmark = pytest.mark.thorough
SQL = Path(__file__).parents[3] / "deploy" / "aws" / "databases.sql"


def _primary(synthesized: Synthesized, stack: str = "database") -> dict[str, Any]:
    (found,) = (
        each
        for each in synthesized.resources(stack, "AWS::RDS::DBInstance").values()
        if "SourceDBInstanceIdentifier" not in each
    )
    return found


def test_every_day_is_backed_up_and_a_week_is_kept(each_stage: Synthesized) -> None:
    primary = _primary(each_stage)
    assert primary["BackupRetentionPeriod"] == 7
    assert primary["PreferredBackupWindow"] == "03:00-04:00"


def test_it_is_encrypted_private_and_asks_for_tls_and_iam(each_stage: Synthesized) -> None:
    for instance in each_stage.resources("database", "AWS::RDS::DBInstance").values():
        assert instance["PubliclyAccessible"] is False
        assert instance["EnableIAMDatabaseAuthentication"] is True
        # A replica inherits the encryption of its source, and must not set it.
        assert instance.get("StorageEncrypted", "SourceDBInstanceIdentifier" in instance) is True
        assert instance["DeletionProtection"] is (each_stage.deployment.stage != "dev")
    (parameters,) = each_stage.resources("database", "AWS::RDS::DBParameterGroup").values()
    assert parameters["Parameters"]["rds.force_ssl"] == "1"
    assert parameters["Parameters"]["jit"] == "0"
    assert parameters["Parameters"]["log_parameter_max_length"] == "0"
    assert parameters["Parameters"]["log_error_verbosity"] == "terse"
    assert parameters["Parameters"]["max_connections"] == str(each_stage.deployment.size.connections)
    assert parameters["Family"] == "postgres16"


def test_replicas_are_in_zones_of_their_own(million: Synthesized) -> None:
    replicas = [
        each
        for each in million.resources("database", "AWS::RDS::DBInstance").values()
        if "SourceDBInstanceIdentifier" in each
    ]
    assert len({json.dumps(each["AvailabilityZone"]) for each in replicas}) == len(replicas) == 2
    assert {each["DBInstanceClass"] for each in replicas} == {"db.r6g.large"}


@pytest.mark.parametrize("stage", ["100k", "1m", "5m"])
def test_the_proxy_pools_as_it_should_and_lets_in_by_iam_alone(synthesized: Any, stage: str) -> None:
    deployment = synthesized(stage=stage)
    deployment.has(
        "database",
        "AWS::RDS::DBProxyTargetGroup",
        {
            "ConnectionPoolConfigurationInfo": {
                "MaxConnectionsPercent": 100,
                "MaxIdleConnectionsPercent": 50,
                "ConnectionBorrowTimeout": 30,
            }
        },
    )
    (proxy,) = deployment.resources("database", "AWS::RDS::DBProxy").values()
    assert proxy["DefaultAuthScheme"] == "IAM_AUTH"
    assert proxy["RequireTLS"] is True
    assert "SecretArn" not in json.dumps(proxy)


def test_proxy_may_connect_to_the_instance_only_as_a_service(million: Synthesized) -> None:
    (proxy,) = million.resources("database", "AWS::RDS::DBProxy").values()
    role = proxy["RoleArn"]["Fn::GetAtt"][0]
    (primary_id,) = (
        id
        for id, each in million.resources("database", "AWS::RDS::DBInstance").items()
        if "SourceDBInstanceIdentifier" not in each
    )
    (policy,) = (
        each for each in million.resources("database", "AWS::IAM::Policy").values() if {"Ref": role} in each["Roles"]
    )
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == "rds-db:connect"
    users = {each["Fn::Join"][1][-1].removeprefix("/") for each in statement["Resource"]}
    assert users == {database_user(service) for service in Service}
    assert all({"Fn::GetAtt": [primary_id, "DbiResourceId"]} in each["Fn::Join"][1] for each in statement["Resource"])


def test_the_days_snapshot_is_copied_to_s3_when_rds_says_it_is_there(each_stage: Synthesized) -> None:
    name = each_stage.deployment.name
    (rule,) = each_stage.resources("database", "AWS::Events::Rule").values()
    assert rule["EventPattern"]["detail"] == {
        "EventID": ["RDS-EVENT-0091"],
        "SourceIdentifier": [{"prefix": f"rds:{name}-"}],
    }
    (target,) = rule["Targets"]
    (machine_id,) = each_stage.resources("database", "AWS::StepFunctions::StateMachine")
    assert target["Arn"] == {"Fn::GetAtt": [machine_id, "Arn"]}
    (machine,) = each_stage.resources("database", "AWS::StepFunctions::StateMachine").values()
    definition = "".join(
        part if isinstance(part, str) else f"<{json.dumps(part).replace(chr(34), '')}>"
        for part in machine["DefinitionString"]["Fn::Join"][1]
    )
    parameters = json.loads(definition)["States"]["StartExport"]["Parameters"]
    assert parameters["SourceArn.$"] == "$.detail.SourceArn"
    (bucket_id,) = each_stage.resources("database", "AWS::S3::Bucket")
    assert parameters["S3BucketName"] == f"<{{Ref: {bucket_id}}}>"
    (bucket,) = each_stage.resources("database", "AWS::S3::Bucket").values()
    (lifecycle,) = bucket["LifecycleConfiguration"]["Rules"]
    assert lifecycle["Transitions"] == [{"StorageClass": "INTELLIGENT_TIERING", "TransitionInDays": 0}]
    assert lifecycle["ExpirationInDays"] == 35


def test_services_find_their_databases_in_secrets_that_hold_no_password(million: Synthesized) -> None:
    secrets = million.resources("secrets", "AWS::SecretsManager::Secret").values()
    found = {each["Name"]: each["SecretString"]["Fn::Join"][1] for each in secrets}
    for service in Service:
        user = database_user(service)
        for name in ("database-url", "listen-url", "database-replica-url"):
            first, host, last = found.pop(f"almanac/{service.value.removesuffix('-service')}/{name}")
            assert first == f"postgresql://{user}@"
            assert last == f":5432/{user}?ssl=require&iam=us-east-1"
            assert ("Proxy" in str(host)) == (name == "database-url")
    assert found == {}


async def test_the_statements_of_the_first_day_make_a_database_and_a_user_for_each_service(
    database: DatabaseFactory,
) -> None:
    """On a server of its own kind: RDS has the role `rds_iam`, so that is made first."""
    connection = await asyncpg.connect(await database(""))
    try:
        await connection.execute("CREATE ROLE rds_iam")
        for statement in SQL.read_text().split(";"):
            if statement.strip():
                await connection.execute(statement)
        users = [database_user(service) for service in Service]
        made = await connection.fetch(
            "SELECT datname, pg_get_userbyid(datdba) AS owner FROM pg_database WHERE datname = ANY($1)", users
        )
        assert {each["datname"]: each["owner"] for each in made} == {user: user for user in users}
        for user in users:
            assert await connection.fetchval("SELECT pg_has_role($1, 'rds_iam', 'MEMBER')", user)
            others = [other for other in users if other != user]
            for other in others:
                assert not await connection.fetchval("SELECT has_database_privilege($1, $2, 'CONNECT')", user, other)
    finally:
        for service in Service:
            await connection.execute(f'DROP DATABASE IF EXISTS "{database_user(service)}"')
            await connection.execute(f'DROP ROLE IF EXISTS "{database_user(service)}"')
        await connection.execute("DROP ROLE IF EXISTS rds_iam")
        await connection.close()
