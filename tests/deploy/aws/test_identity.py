"""Who may do what, and that it is little."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from almanac_aws.chart_values import chart_values
from almanac_aws.deployment import parse_deployment
from almanac_aws.names import SERVICES
from almanac_chart import merged, profile_values
from aws_templates import Synthesized

from contracts.topology import build_topology
from contracts.vocabulary import Service

pytestmark = pytest.mark.thorough
ACCOUNT = "123456789012"

# Every wildcard that a policy may hold, with its reason. Anything else fails the tests below.
WILD_ACTIONS = {
    "kms:*": "a key's policy lets the account's own administrators manage it: without that nobody could",
    "kms:GenerateDataKey*": "with and without plaintext: S3 and SNS take either",
    "kms:ReEncrypt*": "from and to: S3 moves objects between keys of ours",
    "s3:Abort*": "of the grant that S3's own construct gives writers of a bucket of ours",
    "s3:DeleteObject*": "as above, with and without a version",
    "s3:GetBucket*": "as above",
    "s3:GetObject*": "as above",
    "s3:List*": "as above",
}
WILD_RESOURCES = {
    "in a key's own policy: this key": r"\*",
    "the objects of one bucket, whose names are not known before": r"\{[^*]*\}/\*",
    "one service's secrets, which people add to": r"[^*]*:secretsmanager:[^*]*:secret:almanac/[a-z]+/\*",
    "the snapshots of one instance, named by the day": r"[^*]*:snapshot:rds:almanac-[a-z0-9-]+-\*",
}


def _statements(synthesized: Synthesized) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every statement of every policy: type of its resource, logical id, itself."""
    for _, name, resource in synthesized.everything():
        properties = resource.get("Properties", {})
        documents = [
            properties.get("PolicyDocument"),
            properties.get("KeyPolicy"),
            properties.get("AssumeRolePolicyDocument"),
            *(each["PolicyDocument"] for each in properties.get("Policies", ())),
        ]
        for document in documents:
            for statement in (document or {}).get("Statement", ()):
                yield resource["Type"], name, statement


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    """A resource as one string, with what CloudFormation fills in left in braces."""
    if isinstance(value, str):
        return value
    if "Fn::Join" in value:
        return "".join(_text(part) for part in value["Fn::Join"][1])
    return f"{{{json.dumps(value)}}}"


def test_no_action_is_wider_than_a_reason_allows(two_regions: Synthesized) -> None:
    allowed = [each for each in _statements(two_regions) if each[2]["Effect"] == "Allow"]
    wild = {action for _, _, each in allowed for action in _listed(each["Action"]) if "*" in action}
    assert wild - WILD_ACTIONS.keys() == set()
    assert len(allowed) > 50


def test_no_resource_is_wider_than_a_reason_allows(two_regions: Synthesized) -> None:
    wild = {
        (type, resource)
        for type, _, statement in _statements(two_regions)
        if statement["Effect"] == "Allow"
        for resource in map(_text, _listed(statement.get("Resource", [])))
        if "*" in resource
    }
    assert {
        each for each in wild if not any(re.fullmatch(shape, each[1]) for shape in WILD_RESOURCES.values())
    } == set()
    assert {type for type, resource in wild if resource == "*"} == {"AWS::KMS::Key"}


def test_only_text_messages_are_allowed_by_what_they_are_not(two_regions: Synthesized, million: Synthesized) -> None:
    by_exception = [each for _, _, each in _statements(two_regions) if "NotResource" in each]
    assert [each["Action"] for each in by_exception] == ["sns:Publish"] * 2  # in each region
    assert {_text(each["NotResource"]).partition(":sns:")[2] for each in by_exception} == {"*:*:*"}
    assert not [each for _, _, each in _statements(million) if "NotResource" in each]
    assert not [each for _, _, each in _statements(two_regions) if "NotAction" in each]


def _allowed(synthesized: Synthesized, whose: str, stack: str = "identity") -> set[tuple[str, str]]:
    """(action, resource) of everything that a role may do; resources by what follows the account."""
    roles = synthesized.resources(stack, "AWS::IAM::Role")
    (role,) = (id for id, each in roles.items() if each["RoleName"].endswith(f"-{whose}"))
    return {
        (action, _text(resource).split("}:")[-1].rpartition(":")[2] or _text(resource))
        for each in synthesized.resources(stack, "AWS::IAM::Policy").values()
        if {"Ref": role} in each["Roles"]
        for statement in each["PolicyDocument"]["Statement"]
        if "Resource" in statement
        for action in _listed(statement["Action"])
        for resource in _listed(statement["Resource"])
    }


@pytest.mark.parametrize("service", Service)
def test_a_service_publishes_and_receives_what_the_contracts_say_and_no_more(
    million: Synthesized, service: Service
) -> None:
    topology = build_topology()
    own = {queue.name for queue in topology.queues_of(service)}
    dead = {queue.dead_letter_queue.name for queue in topology.queues_of(service)}
    measured = own | dead
    if service is Service.EVENT:
        measured |= {queue.name for queue in topology.queues if queue.priority is not None}
    published = [topic.name for topic in topology.topics if service in topic.publishers]
    expected = {(f"sns:{action}", name) for action in ("Publish", "GetTopicAttributes") for name in published}
    expected |= {(f"sqs:{action}", name) for action in ("ReceiveMessage", "DeleteMessage") for name in own | dead}
    expected |= {(f"sqs:{action}", name) for action in ("GetQueueAttributes", "GetQueueUrl") for name in measured}
    expected |= {("sqs:SendMessage", name) for name in own}
    found = {each for each in _allowed(million, SERVICES[service]) if each[0].startswith(("sns:", "sqs:"))}
    assert found == expected


def test_a_service_connects_as_its_own_user_and_jobs_as_each(million: Synthesized) -> None:
    users = {service: service.value.replace("-", "_") for service in Service}
    for whose, mine in (*((SERVICES[service], {user}) for service, user in users.items()), ("jobs", {*users.values()})):
        found = {resource for action, resource in _allowed(million, whose) if action == "rds-db:connect"}
        assert {resource.rpartition("/")[2] for resource in found} == mine
        # To the instance, both replicas and the proxy.
        assert len(found) == 4 * len(mine)


def test_a_role_is_taken_by_one_service_account_of_one_cluster(million: Synthesized) -> None:
    accounts = {f"almanac:almanac-{whose}" for whose in (*SERVICES.values(), "jobs")}
    accounts |= {"keda:keda-operator", "external-secrets:external-secrets", "monitoring:prometheus"}
    provider = million.deployment.oidc_provider
    found = set()
    for role in million.resources("identity", "AWS::IAM::Role").values():
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
        assert _text(statement["Principal"]["Federated"]).endswith(f":oidc-provider/{provider}")
        condition = statement["Condition"]["StringEquals"]
        assert condition[f"{provider}:aud"] == "sts.amazonaws.com"
        found.add(condition[f"{provider}:sub"].removeprefix("system:serviceaccount:"))
    assert found == accounts


def test_delivery_and_alerts_write_mail_from_one_identity_only_and_only_where_asked(
    two_regions: Synthesized, million: Synthesized
) -> None:
    for whose in ("delivery", "analytics"):
        assert ("ses:SendEmail", "identity/almanac.example") in _allowed(two_regions, whose)
        assert not [each for each in _allowed(million, whose) if each[0].startswith("ses:")]
    others = [each for whose in ("user", "event") for each in _allowed(two_regions, whose)]
    assert not [each for each in others if each[0].startswith("ses:")]


def test_no_issuer_is_trusted_without_a_cluster(synthesized: Any) -> None:
    assert "identity" not in synthesized(stage="dev", oidcProvider="").templates


@pytest.mark.parametrize("stage", ["dev", "10k", "100k", "1m", "5m"])
@pytest.mark.parametrize("seat", ["primary", "standby"])
def test_the_charts_service_accounts_carry_the_roles_that_are_made(synthesized: Any, stage: str, seat: str) -> None:
    almanac_chart = pytest.importorskip("almanac_chart")
    pytest.importorskip("helm_python", reason="`make test-deploy` installs it")
    two = {"stage": stage, "account": ACCOUNT, "standbyRegion": "us-west-2", "standbyOidcProvider": "oidc.example/id/B"}
    made = synthesized(**two)
    stack = "identity" if seat == "primary" else "standby-identity"
    roles = {}
    for role in made.resources(stack, "AWS::IAM::Role").values():
        ((_, subject),) = (
            each
            for each in role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]["StringEquals"].items()
            if each[0].endswith(":sub")
        )
        roles[subject] = f"arn:aws:iam::{ACCOUNT}:role/{role['RoleName']}"

    manifests = almanac_chart.manifests(
        values := merged(profile_values(stage), chart_values(parse_deployment(two), seat))
    )
    declared = [each["metadata"] for each in manifests if each["kind"] == "ServiceAccount"]
    # The console calls HTTP APIs alone.
    assert [each["name"] for each in declared if "annotations" not in each] == ["almanac-console"]
    accounts = {
        f"system:serviceaccount:{each['namespace']}:{each['name']}": (each["annotations"]["eks.amazonaws.com/role-arn"])
        for each in declared
        if "annotations" in each
    }
    jobs = [each["spec"]["template"]["metadata"]["labels"] for each in manifests if each["kind"] == "Job"]
    assert len(jobs) == 4, "migrations alone: the topology is made by CDK"
    assert all(
        each.items() >= {"almanac/egress-database": "true", "almanac/egress-bus": "true"}.items() for each in jobs
    )
    assert len(accounts) == 5
    assert accounts.items() <= roles.items()
    assert values["keda"]["roleArn"] == roles["system:serviceaccount:keda:keda-operator"]


def test_the_charts_secrets_are_read_from_where_they_are_made(two_regions: Synthesized) -> None:
    deployment = parse_deployment({**_given(two_regions), "account": ACCOUNT})
    for seat, stack in (("primary", "secrets"), ("standby", "standby-secrets")):
        made = {each["Name"] for each in two_regions.resources(stack, "AWS::SecretsManager::Secret").values()}
        values = chart_values(deployment, seat)
        read = {name for each in values["services"].values() for name in each["secret"]["remote"].values()}
        assert read - made == {
            *(f"almanac/{whose}/api-keys" for whose in ("user", "event", "delivery", "analytics")),
            *("almanac/delivery/secret-keys", "almanac/analytics/services-api-key"),
        }, "what people put there"
        assert made <= read
        assert yaml.safe_load(yaml.safe_dump(values)) == values


def test_all_secrets_of_another_namespace_are_where_its_role_may_read() -> None:
    almanac_chart = pytest.importorskip("almanac_chart")
    pytest.importorskip("helm_python", reason="`make test-deploy` installs it")
    deployment = parse_deployment({"stage": "1m", "account": ACCOUNT, "namespace": "greetings"})
    values = merged(profile_values("1m"), chart_values(deployment, "primary"))
    remote = [
        entry["remoteRef"]["key"]
        for each in almanac_chart.manifests(values)
        if each["kind"] == "ExternalSecret"
        for entry in each["spec"]["data"]
    ]
    assert len(set(remote)) > 10
    assert all(re.fullmatch(r"greetings/(user|event|delivery|analytics)/[a-z-]+", each) for each in remote), remote


def _given(synthesized: Synthesized) -> dict[str, str]:
    return {"stage": synthesized.deployment.stage, "standbyRegion": str(synthesized.deployment.standby_region)}
