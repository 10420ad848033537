"""PostgreSQL: one instance with the four services' databases, its replicas, and the proxy before it."""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_rds as rds
from constructs import Construct

from almanac_aws.keys import make_key
from almanac_aws.logs import make_log_group
from almanac_aws.names import database_user
from almanac_aws.network import POSTGRES, Network
from almanac_aws.sizes import BACKUP_DAYS, MEMORY_GIB, Size
from contracts.vocabulary import Service

ENGINE: Final = rds.DatabaseInstanceEngine.postgres(version=rds.PostgresEngineVersion.of("16", "16"))
BACKUP_WINDOW: Final = "03:00-04:00"
BORROW_SECONDS: Final = 30
MAX_PERCENT: Final = 100
IDLE_PERCENT: Final = 50


class Database(Construct):
    """The instance that takes writes, replicas that may be read, and from a certain size on RDS Proxy.

    All logins use IAM, the proxy's too: no password is kept anywhere but the administrator's, which RDS makes.
    """

    def __init__(self, scope: Construct, network: Network, *, name: str, size: Size) -> None:
        super().__init__(scope, "Database")
        self.key = make_key(self, f"alias/{name}-database", "Databases of Almanac", protected=size.protected)
        self.guard = network.guard(self, "Guard", POSTGRES, "PostgreSQL")
        log = make_log_group(self, "Log", f"/aws/rds/instance/{name}/postgresql", size)
        self.log = log
        self.instance = rds.DatabaseInstance(
            self,
            "Instance",
            instance_identifier=name,
            engine=ENGINE,
            credentials=rds.Credentials.from_generated_secret("almanac_admin", encryption_key=self.key),
            multi_az=size.multi_az,
            allocated_storage=size.storage_gb,
            iops=size.iops,
            backup_retention=cdk.Duration.days(BACKUP_DAYS),
            preferred_backup_window=BACKUP_WINDOW,
            preferred_maintenance_window="sun:04:30-sun:05:30",
            copy_tags_to_snapshot=True,
            storage_encrypted=True,
            storage_encryption_key=self.key,
            delete_automated_backups=not size.protected,
            **_settings(self, network, self.guard, size, size.instance),
        )
        self.instance.node.add_dependency(log)
        self.replicas = [
            rds.DatabaseInstanceReadReplica(
                self,
                f"Replica{number}",
                instance_identifier=f"{name}-replica-{number}",
                source_database_instance=self.instance,
                allocated_storage=size.storage_gb,
                iops=size.iops,
                availability_zone=network.vpc.availability_zones[number % len(network.vpc.availability_zones)],
                **_settings(self, network, self.guard, size, str(size.replica_instance)),
            )
            for number in range(1, size.replicas + 1)
        ]
        for each, kind in ((self.instance, size.instance), *((each, size.replica_instance) for each in self.replicas)):
            _tell_memory(each, str(kind))
        self.proxy = Proxy(self, network, self.instance, self.guard, name=name, size=size) if size.proxy else None
        self.endpoint = self.proxy.endpoint if self.proxy else self.instance.db_instance_endpoint_address


class Standby(Construct):
    """The replica in the other region. It follows the primary's until it is promoted (docs/failover.md)."""

    def __init__(
        self, scope: Construct, network: Network, *, name: str, size: Size, source_arn: str, promoted: bool
    ) -> None:
        super().__init__(scope, "Database")
        self.key = make_key(self, f"alias/{name}-database", "Databases of Almanac", protected=size.protected)
        self.guard = network.guard(self, "Guard", POSTGRES, "PostgreSQL")
        self.log = make_log_group(self, "Log", f"/aws/rds/instance/{name}/postgresql", size)
        source = rds.DatabaseInstance.from_database_instance_attributes(
            self,
            "Source",
            instance_identifier=source_arn,
            instance_endpoint_address="unused",
            port=POSTGRES,
            security_groups=[],
            engine=ENGINE,
        )
        self.instance = rds.DatabaseInstanceReadReplica(
            self,
            "Instance",
            instance_identifier=name,
            source_database_instance=source,
            multi_az=size.multi_az,
            allocated_storage=size.storage_gb,
            iops=size.iops,
            storage_encryption_key=self.key,
            **_settings(self, network, self.guard, size, size.instance),
        )
        self.instance.node.add_dependency(self.log)
        _tell_memory(self.instance, size.instance)
        replica = self.instance.node.default_child
        replica.add_property_override("SourceDBInstanceIdentifier", source_arn)
        replica.add_property_deletion_override("StorageEncrypted")  # as its source is
        replica.add_property_override("SourceRegion", source_arn.split(":")[3])
        if promoted:
            replica.add_property_override("BackupRetentionPeriod", BACKUP_DAYS)
            replica.add_property_override("PreferredBackupWindow", BACKUP_WINDOW)
        self.replicas: list[rds.DatabaseInstanceReadReplica] = []
        # RDS Proxy serves instances that take writes alone, so it comes after the promotion.
        self.proxy = (
            Proxy(self, network, self.instance, self.guard, name=name, size=size) if size.proxy and promoted else None
        )
        self.endpoint = self.proxy.endpoint if self.proxy else self.instance.db_instance_endpoint_address


class Proxy(Construct):
    """RDS Proxy: many pods' connections in few of PostgreSQL's, kept over a failover of the instance."""

    def __init__(
        self,
        scope: Construct,
        network: Network,
        instance: rds.IDatabaseInstance,
        guard: ec2.SecurityGroup,
        *,
        name: str,
        size: Size,
    ) -> None:
        super().__init__(scope, "Proxy")
        door = network.guard(self, "Guard", POSTGRES, "RDS Proxy")
        door.connections.allow_to(guard, ec2.Port.tcp(POSTGRES), "RDS Proxy")
        log = make_log_group(self, "Log", f"/aws/rds/proxy/{name}", size)
        # It comes to the instance as whom it let in, by IAM again; CDK gives its own role no right to that.
        role = iam.Role(
            self,
            "Role",
            description="What RDS Proxy connects to the instance as",
            assumed_by=iam.ServicePrincipal("rds.amazonaws.com"),
        )
        for service in Service:
            instance.grant_connect(role, database_user(service))
        self.proxy = rds.DatabaseProxy(
            self,
            "Proxy",
            db_proxy_name=name,
            role=role,
            proxy_target=rds.ProxyTarget.from_instance(self._as_target(instance, guard)),
            vpc=network.vpc,
            vpc_subnets=network.data,
            security_groups=[door],
            default_auth_scheme=rds.DefaultAuthScheme.IAM_AUTH,
            iam_auth=True,
            require_tls=True,
            max_connections_percent=MAX_PERCENT,
            max_idle_connections_percent=IDLE_PERCENT,
            borrow_timeout=cdk.Duration.seconds(BORROW_SECONDS),
        )
        self.proxy.node.add_dependency(log)
        self.endpoint = self.proxy.endpoint

    def _as_target(self, instance: rds.IDatabaseInstance, guard: ec2.SecurityGroup) -> rds.IDatabaseInstance:
        """The instance with its engine, which one that was a replica does not tell."""
        return rds.DatabaseInstance.from_database_instance_attributes(
            self,
            "Target",
            instance_identifier=instance.instance_identifier,
            instance_endpoint_address=instance.db_instance_endpoint_address,
            port=POSTGRES,
            security_groups=[guard],
            engine=ENGINE,
        )


def _tell_memory(instance: Construct, kind: str) -> None:
    # CloudWatch reports an instance's free memory, and not its total.
    cdk.Tags.of(instance).add("memory_gib", str(MEMORY_GIB[kind]), include_resource_types=["AWS::RDS::DBInstance"])


def _settings(
    scope: Construct, network: Network, guard: ec2.SecurityGroup, size: Size, instance: str
) -> dict[str, object]:
    """What the instance and its replicas have in common."""
    group = scope.node.try_find_child("Parameters") or rds.ParameterGroup(
        scope,
        "Parameters",
        engine=ENGINE,
        parameters={
            "max_connections": str(size.connections),
            "rds.force_ssl": "1",
            "jit": "0",  # our statements are short, and a pooler keeps clients from saying so
            "log_min_duration_statement": "1000",
            # Without the values of statements and rows: they are people's names, dates and addresses.
            "log_parameter_max_length": "0",
            "log_error_verbosity": "terse",
            "shared_preload_libraries": "pg_stat_statements",
        },
    )
    return {
        "vpc": network.vpc,
        "vpc_subnets": network.data,
        "security_groups": [guard],
        "instance_type": ec2.InstanceType(instance),
        "parameter_group": group,
        "storage_type": rds.StorageType.GP3,
        "iam_authentication": True,
        "publicly_accessible": False,
        "auto_minor_version_upgrade": True,
        "deletion_protection": size.protected,
        "removal_policy": cdk.RemovalPolicy.SNAPSHOT if size.protected else cdk.RemovalPolicy.DESTROY,
        "cloudwatch_logs_exports": ["postgresql"],
        "enable_performance_insights": size.multi_az,
        "monitoring_interval": cdk.Duration.seconds(60) if size.multi_az else None,
    }
