"""Where each service finds its data, for the chart's ExternalSecrets. No password is in it: IAM lets in."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from almanac_aws.database import Database, Standby
from almanac_aws.deployment import Deployment
from almanac_aws.names import SERVICES, address_settings, database_user
from almanac_aws.network import POSTGRES, VALKEY


class Secrets(Construct):
    """``<namespace>/<service>/<name>``, with the names of ``address_settings``. Keys are put beside them by people."""

    def __init__(
        self, scope: Construct, deployment: Deployment, seat: str, database: Database | Standby, cache: str | None
    ) -> None:
        super().__init__(scope, "Secrets")
        for service, whose in SERVICES.items():
            user = database_user(service)
            addresses = self._addresses(user, database, cache)
            for name in address_settings(deployment, seat).values():
                secretsmanager.CfnSecret(
                    self,
                    f"{whose}-{name}",
                    name=f"{deployment.namespace}/{whose}/{name}",
                    description=f"The {name} of {service}",
                    secret_string=addresses[name],
                )

    def _addresses(self, user: str, database: Database | Standby, cache: str | None) -> Mapping[str, str]:
        region = cdk.Stack.of(self).region

        def of(host: str) -> str:
            return f"postgresql://{user}@{host}:{POSTGRES}/{user}?ssl=require&iam={region}"

        found = {
            "database-url": of(database.endpoint),
            "listen-url": of(database.instance.db_instance_endpoint_address),
        }
        if database.replicas:
            found["database-replica-url"] = of(database.replicas[0].db_instance_endpoint_address)
        if cache is not None:
            found["cache-url"] = f"rediss://{cache}:{VALKEY}/0"
        return found
