"""What a route of this service may ask for, beyond the chassis' own."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Request

from almanac_client import Almanac
from analytics_service.domain.alert_notifications import Policy
from analytics_service.domain.alerts import Rule
from analytics_service.domain.prices import Prices


async def _almanac(request: Request) -> Almanac:
    almanac: Almanac = request.app.state.almanac
    return almanac


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


CurrentAlmanac = Annotated[Almanac, Depends(_almanac)]
JaegerUrl = Annotated[str | None, Depends(_jaeger_url)]
CurrentPrices = Annotated[Prices, Depends(_prices)]
CurrentRules = Annotated[Sequence[Rule], Depends(_rules)]
CurrentPolicy = Annotated[Policy, Depends(_policy)]
