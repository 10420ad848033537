"""What a route of this service may ask for, beyond the chassis' own."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Request

from analytics_service.adapters.service_clients import ServiceClients
from analytics_service.domain.alert_notifications import Policy
from analytics_service.domain.alerts import Rule
from analytics_service.domain.prices import Prices


async def _peers(request: Request) -> ServiceClients:
    peers: ServiceClients = request.app.state.peers
    return peers


async def _jaeger_url(request: Request) -> str | None:
    url: str | None = request.app.state.jaeger_url
    return url


async def _prices(request: Request) -> Prices:
    prices: Prices = request.app.state.prices
    return prices


async def _rules(request: Request) -> Sequence[Rule]:
    rules: Sequence[Rule] = request.app.state.alert_rules
    return rules


async def _policy(request: Request) -> Policy:
    policy: Policy = request.app.state.alert_policy
    return policy


CurrentPeers = Annotated[ServiceClients, Depends(_peers)]
JaegerUrl = Annotated[str | None, Depends(_jaeger_url)]
CurrentPrices = Annotated[Prices, Depends(_prices)]
CurrentRules = Annotated[Sequence[Rule], Depends(_rules)]
CurrentPolicy = Annotated[Policy, Depends(_policy)]
