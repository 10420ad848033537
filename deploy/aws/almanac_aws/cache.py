"""The cache of API reads: two nodes of Valkey that stand in for each other."""

from aws_cdk import aws_elasticache as elasticache
from constructs import Construct

from almanac_aws.network import VALKEY, Network


class Cache(Construct):
    """Encrypted on the way and at rest; only moments are kept in it, so it has no backups."""

    def __init__(self, scope: Construct, network: Network, *, name: str, node: str) -> None:
        super().__init__(scope, "Cache")
        subnets = elasticache.CfnSubnetGroup(
            self,
            "Subnets",
            description="Where data is",
            subnet_ids=network.vpc.select_subnets(subnet_group_name="data").subnet_ids,
        )
        group = elasticache.CfnReplicationGroup(
            self,
            "Group",
            replication_group_id=name,
            replication_group_description="Moments of Almanac's API reads",
            engine="valkey",
            engine_version="8.0",
            cache_node_type=node,
            num_cache_clusters=2,
            automatic_failover_enabled=True,
            multi_az_enabled=True,
            at_rest_encryption_enabled=True,
            transit_encryption_enabled=True,
            port=VALKEY,
            cache_subnet_group_name=subnets.ref,
            security_group_ids=[network.guard(self, "Guard", VALKEY, "The cache").security_group_id],
        )
        self.endpoint = group.attr_primary_end_point_address
