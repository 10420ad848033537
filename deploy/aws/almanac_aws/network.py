"""The network: subnets for pods and for data, one NAT gateway, and the ways to AWS that do not leave it."""

from collections.abc import Iterator
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from almanac_aws.names import RANGES, pod_range

ZONES: Final = 3
POSTGRES: Final = 5432
VALKEY: Final = 6379


class Network(Construct):
    """Three zones. Room for a fourth is kept, so that the ranges of ``names`` hold.

    ``seat`` is ``primary`` or ``standby``; the two have different ranges.
    """

    def __init__(self, scope: Construct, seat: str) -> None:
        super().__init__(scope, "Network")
        self.seat = seat
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(RANGES[seat]),
            availability_zones=[cdk.Fn.select(zone, cdk.Fn.get_azs()) for zone in range(ZONES)],
            reserved_azs=4 - ZONES,
            nat_gateways=1,
            restrict_default_security_group=False,
            subnet_configuration=[
                ec2.SubnetConfiguration(name="pods", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, cidr_mask=19),
                ec2.SubnetConfiguration(name="data", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=22),
                ec2.SubnetConfiguration(name="public", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=22),
            ],
        )
        for subnet in self.vpc.private_subnets:
            cdk.Tags.of(subnet).add("kubernetes.io/role/internal-elb", "1")
        for subnet in self.vpc.public_subnets:
            cdk.Tags.of(subnet).add("kubernetes.io/role/elb", "1")
        self.nat_gateway = self.vpc.public_subnets[0].node.find_child("NATGateway").ref
        self.data = ec2.SubnetSelection(subnet_group_name="data")
        # Without it, image pulls and copies of backups would pay the NAT gateway for each byte.
        self.vpc.add_gateway_endpoint(
            "S3",
            service=ec2.GatewayVpcEndpointAwsService.S3,
            subnets=[ec2.SubnetSelection(subnet_group_name="pods")],
        )
        self._add_interface_endpoints()
        cdk.CfnOutput(self, "VpcId", value=self.vpc.vpc_id)
        cdk.CfnOutput(self, "PodSubnets", value=",".join(subnet.subnet_id for subnet in self.vpc.private_subnets))
        cdk.CfnOutput(self, "PublicSubnets", value=",".join(subnet.subnet_id for subnet in self.vpc.public_subnets))

    def guard(self, scope: Construct, name: str, port: int, description: str) -> ec2.SecurityGroup:
        """A security group, in ``scope``, that pods may connect to on ``port``, and that allows no outgoing
        connection."""
        group = ec2.SecurityGroup(scope, name, vpc=self.vpc, description=description, allow_all_outbound=False)
        group.add_ingress_rule(ec2.Peer.ipv4(pod_range(self.seat)), ec2.Port.tcp(port), "pods")
        return group

    def _add_interface_endpoints(self) -> None:
        group = self.guard(self, "Endpoints", 443, "Endpoints of AWS services")
        for name, service in _services():
            ec2.InterfaceVpcEndpoint(
                self,
                name,
                vpc=self.vpc,
                service=service,
                subnets=self.data,
                security_groups=[group],
                private_dns_enabled=True,
                open=False,
            )


def _services() -> Iterator[tuple[str, ec2.InterfaceVpcEndpointAwsService]]:
    """The bus, and the services by which pods get access to it; RDS' API. (PostgreSQL itself is inside the network.)"""
    yield "Sqs", ec2.InterfaceVpcEndpointAwsService.SQS
    yield "Sns", ec2.InterfaceVpcEndpointAwsService.SNS
    yield "Sts", ec2.InterfaceVpcEndpointAwsService.STS
    yield "Rds", ec2.InterfaceVpcEndpointAwsService.RDS
