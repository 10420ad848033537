"""The options of a deployment: the stage and the choices around it, as they come from the context of ``cdk``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from almanac_aws.sizes import CACHE_NODE, SIZES, Size
from contracts.alerts import RUNBOOK

_RULES: Final = {
    "stage": ("|".join(SIZES), f"one of {', '.join(SIZES)}"),
    "region": (r"[a-z]{2}(-[a-z]+)+-\d", "a region, such as us-east-1"),
    "standbyRegion": (r"[a-z]{2}(-[a-z]+)+-\d", "a region, such as us-west-2"),
    "account": (r"\d{12}", "twelve digits"),
    "prefix": (r"[a-z0-9-]{1,40}", "at most 40 small letters, digits and hyphens"),
    "release": (r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", "the name of a Helm release"),
    "namespace": (r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "the name of a namespace"),
    "oidcProvider": (r"[a-z0-9.-]+(/[A-Za-z0-9._-]+)*", "an issuer without https://"),
    "standbyOidcProvider": (r"[a-z0-9.-]+(/[A-Za-z0-9._-]+)*", "an issuer without https://"),
    "active": ("primary|standby", "primary or standby"),
    "cache": ("true|false", "true or false"),
    "domain": (r"([a-z0-9-]+\.)+[a-z]{2,}", "a domain name"),
    "hostedZone": (r"[A-Z0-9]{5,32}", "the id of a hosted zone"),
    "ingress": (r"([a-z0-9-]+\.)+[a-z]{2,}", "the name of a load balancer"),
    "standbyIngress": (r"([a-z0-9-]+\.)+[a-z]{2,}", "the name of a load balancer"),
    "alertEmail": (r"[^@\s]+@[^@\s]+", "an address"),
    "pagerUrl": (r"https://\S+", "an https address"),
    "runbookUrl": (r"https?://[^\s#]+", "the address of docs/operations.md"),
    "emailIdentity": (r"\S+", "a domain or address that SES has verified"),
    "sms": ("true|false", "true or false"),
}  # fmt: skip


class DeploymentError(ValueError):
    """A value of the context is not one that there may be. The message names it and says what it should be."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One installation: a stage in a region, and perhaps another region that waits.

    ``active`` is the region whose database takes writes: ``standby`` once that has been promoted.
    """

    stage: str
    region: str = "us-east-1"
    account: str | None = None
    prefix: str = "bday"
    release: str = "almanac"
    namespace: str = "almanac"
    oidc_provider: str | None = None
    active: str = "primary"
    cache: str | None = None
    standby_region: str | None = None
    standby_oidc_provider: str | None = None
    domain: str | None = None
    hosted_zone: str | None = None
    ingress: str | None = None
    standby_ingress: str | None = None
    alert_email: str | None = None
    pager_url: str | None = None
    runbook_url: str = RUNBOOK
    email_identity: str | None = None
    sms: str = "false"

    @property
    def size(self) -> Size:
        return SIZES[self.stage]

    @property
    def name(self) -> str:
        """What everything of this installation is called after."""
        return f"almanac-{self.stage}"

    @property
    def cache_node(self) -> str | None:
        """The cache's kind of node, None where there is no cache."""
        wanted = self.cache == "true" if self.cache else self.size.cache_node is not None
        return (self.size.cache_node or CACHE_NODE) if wanted else None

    @property
    def has_dns(self) -> bool:
        return self.domain is not None


def parse_deployment(context: Mapping[str, Any]) -> Deployment:
    """The deployment that a context asks for. Empty values count as not given; ``cdk``'s own keys are ignored.

    Raises:
        DeploymentError: a value is wrong, unknown, or needs another one.
    """
    given = {key: str(value) for key, value in context.items() if not _is_cdks_own(key) and value not in (None, "")}
    for key, value in given.items():
        if key not in _RULES:
            raise DeploymentError(f"{key} is not known; there are {', '.join(_RULES)}")
        pattern, meaning = _RULES[key]
        if not re.fullmatch(pattern, value):
            raise DeploymentError(f"{key} is {value!r} and should be {meaning}")
    if "stage" not in given:
        raise DeploymentError(f"stage is missing and should be {_RULES['stage'][1]}")
    names = {_camel(field.name): field.name for field in fields(Deployment)}
    deployment = Deployment(**{names[key]: value for key, value in given.items()})
    _check_together(deployment)
    return deployment


def _check_together(deployment: Deployment) -> None:
    if deployment.standby_region == deployment.region:
        raise DeploymentError(f"standbyRegion is {deployment.region}, as region is, and should be another one")
    for key in ("active", "standby_oidc_provider", "standby_ingress"):
        if getattr(deployment, key) not in (None, "primary") and deployment.standby_region is None:
            raise DeploymentError(f"{_camel(key)} is given and needs standbyRegion")
    dns = {"hosted_zone": deployment.hosted_zone, "ingress": deployment.ingress}
    if deployment.standby_region:
        dns["standby_ingress"] = deployment.standby_ingress
    if missing := [_camel(key) for key, value in dns.items() if deployment.has_dns and value is None]:
        raise DeploymentError(f"domain is given and needs {', '.join(missing)}")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def _is_cdks_own(key: str) -> bool:
    return key.startswith(("@", "aws:", "aws-cdk:", "cdk-")) or ":" in key
