"""Where things are, and what may reach them."""

from ipaddress import ip_network
from typing import Any

import pytest
import yaml
from almanac_aws.names import data_range, pod_range
from almanac_chart import CHART
from aws_templates import Synthesized

pytestmark = pytest.mark.thorough


def test_one_nat_gateway_serves_three_zones(each_stage: Synthesized) -> None:
    each_stage.template("network").resource_count_is("AWS::EC2::NatGateway", 1)
    subnets = each_stage.resources("network", "AWS::EC2::Subnet").values()
    zones = {str(each["AvailabilityZone"]) for each in subnets}
    assert (len(zones), len(subnets)) == (3, 9)


def test_the_bus_and_what_it_needs_are_reached_inside_the_network(each_stage: Synthesized) -> None:
    endpoints = each_stage.resources("network", "AWS::EC2::VPCEndpoint").values()
    inside = {each["ServiceName"]: each for each in endpoints if each["VpcEndpointType"] == "Interface"}
    assert set(inside) == {f"com.amazonaws.us-east-1.{each}" for each in ("sqs", "sns", "sts", "rds")}
    assert all(each["PrivateDnsEnabled"] for each in inside.values())
    (gateway,) = (each for each in endpoints if each["VpcEndpointType"] == "Gateway")
    assert "s3" in str(gateway["ServiceName"])


@pytest.mark.parametrize("seat", ["primary", "standby"])
def test_subnets_are_where_the_charts_network_policies_expect_them(two_regions: Synthesized, seat: str) -> None:
    stack = "network" if seat == "primary" else "standby-network"
    ranges: dict[str, list[Any]] = {}
    for subnet in two_regions.resources(stack, "AWS::EC2::Subnet").values():
        tags = {each["Key"]: each["Value"] for each in subnet["Tags"]}
        ranges.setdefault(tags["aws-cdk:subnet-name"], []).append(ip_network(subnet["CidrBlock"]))
    assert all(each.subnet_of(ip_network(pod_range(seat))) for each in ranges["pods"])
    assert all(each.subnet_of(ip_network(data_range(seat))) for each in ranges["data"])
    assert not any(each.overlaps(ip_network(data_range(seat))) for each in ranges["pods"] + ranges["public"])


def test_the_charts_own_ranges_are_those_of_the_primary() -> None:
    policy = yaml.safe_load((CHART / "values.yaml").read_text())["networkPolicy"]
    assert policy["databaseCidrs"] == policy["busCidrs"] == policy["cacheCidrs"] == [data_range("primary")]


def test_only_pods_reach_data_and_endpoints(two_regions: Synthesized) -> None:
    doors = {("network", 443), ("database", 5432), ("cache", 6379)}
    for stack, port in doors:
        for group in two_regions.resources(stack, "AWS::EC2::SecurityGroup").values():
            (rule,) = group["SecurityGroupIngress"]
            assert (rule["CidrIp"], rule["FromPort"], rule["ToPort"]) == (pod_range("primary"), port, port)
            assert all(each["CidrIp"] == "255.255.255.255/32" for each in group.get("SecurityGroupEgress", ()))


def test_only_the_proxy_reaches_the_database(million: Synthesized) -> None:
    (inward,) = million.resources("database", "AWS::EC2::SecurityGroupIngress").values()
    (outward,) = million.resources("database", "AWS::EC2::SecurityGroupEgress").values()
    assert inward["FromPort"] == inward["ToPort"] == outward["FromPort"] == outward["ToPort"] == 5432
    assert inward["SourceSecurityGroupId"] == outward["GroupId"]
    assert inward["GroupId"] == outward["DestinationSecurityGroupId"]


def test_data_has_no_way_out(each_stage: Synthesized) -> None:
    tables = {
        str(each["SubnetId"]["Ref"]): str(each["RouteTableId"]["Ref"])
        for each in each_stage.resources("network", "AWS::EC2::SubnetRouteTableAssociation").values()
    }
    routed = {str(each["RouteTableId"]["Ref"]) for each in each_stage.resources("network", "AWS::EC2::Route").values()}
    data = [name for name in tables if "dataSubnet" in name]
    assert len(data) == 3
    assert not routed & {tables[name] for name in data}
