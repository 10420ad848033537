"""Names and locations that several components must agree on: stacks, the chart, tests."""

from typing import Final

from almanac_aws.deployment import Deployment
from contracts.vocabulary import Service

SERVICES: Final = {service: service.value.removesuffix("-service") for service in Service}
"""The short name of each, by which the chart knows it too."""
RANGES: Final = {"primary": "10.0.0.0/16", "standby": "10.1.0.0/16"}


def pod_range(seat: str) -> str:
    """Where pods get their addresses: the lower half of the network."""
    return RANGES[seat].replace("/16", "/17")


def data_range(seat: str) -> str:
    """Where databases, caches and the endpoints of AWS are: what the chart lets pods reach."""
    return RANGES[seat].replace(".0.0/16", ".128.0/20")


def role_name(name: str, region: str, whose: str) -> str:
    """The role's name. Roles are the whole account's, so it has the region in it."""
    return f"{name}-{region}-{whose}"


def database_user(service: Service) -> str:
    """The user of PostgreSQL that a service is, which is its database's name as well."""
    return service.value.replace("-", "_")


KEY_SETTINGS: Final = {
    "user": {"API_KEYS": "api-keys"},
    "event": {"API_KEYS": "api-keys"},
    "delivery": {"API_KEYS": "api-keys", "SECRET_KEYS": "secret-keys"},
    "analytics": {"API_KEYS": "api-keys", "SERVICES_API_KEY": "services-api-key"},
}
"""The settings of each service that people put into its secrets, and the last part of each secret's name."""


def address_settings(deployment: Deployment, seat: str) -> dict[str, str]:
    """The settings of a service that its secrets hold, and the last part of the secret's name of each."""
    first = seat == "primary"
    settings = {"DATABASE_URL": "database-url"}
    if deployment.size.proxy and (first or deployment.active == "standby"):
        settings["LISTEN_URL"] = "listen-url"
    if deployment.size.replicas and first:
        settings["DATABASE_REPLICA_URL"] = "database-replica-url"
    if deployment.cache_node:
        settings["CACHE_URL"] = "cache-url"
    return settings
