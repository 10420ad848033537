"""The chart runs every role of every service, in numbers that the contracts and the settings allow."""

from collections import Counter
from typing import Any

import pytest
import yaml
from almanac_chart import CHART, TOPOLOGY, topology

import console.main
import console.settings
from chassis.service.service import Service
from contracts.topology import build_topology
from delivery_service.settings import Settings as DeliverySettings
from event_service.settings import Settings as EventSettings


def _default(settings: type[Any], name: str) -> Any:
    return settings.model_fields[name].default


def test_the_queues_of_the_chart_are_those_of_the_contracts() -> None:
    assert TOPOLOGY.read_text() == topology()


@pytest.mark.parametrize("name", ["user", "event", "delivery", "analytics"])
def test_every_role_is_run_by_exactly_one_component(
    name: str, declared: dict[str, Service[Any]], components: dict[str, dict[str, Any]]
) -> None:
    service = declared[name]
    run = Counter(role for each in components.values() if each["service"] == name for role in each["roles"])
    # Roles that have parts run as their parts, so that each part has pods of its own.
    whole = {role for role in service.roles if any(part.startswith(f"{role}-") for part in service.parts)}
    assert run == Counter([*(set(service.role_names) - whole), *service.parts])


def test_the_console_has_a_component_of_its_own_without_a_database(components: dict[str, dict[str, Any]]) -> None:
    (component,) = (each for each in components.values() if each["service"] == "console")
    assert component["roles"] == [console.main.ROLE]
    assert component["egress"] == ["services"]
    known = {name.upper() for name in console.settings.Settings.model_fields}
    assert set(component["keys"]) <= known


# Deletions of users are rare: the pods of the relays consume these, in a fixed number.
UNSCALED = {"user-deletions", "erasure-reports"}


def test_every_queue_scales_the_component_of_its_owner(components: dict[str, dict[str, Any]]) -> None:
    scaled = {queue: each["service"] for each in components.values() for queue in each.get("queues", ())}
    declared = build_topology()
    assert scaled == {
        queue.name.removeprefix(f"{declared.prefix}-"): queue.owner.value.removesuffix("-service")
        for queue in declared.queues
        if queue.name.removeprefix(f"{declared.prefix}-") not in UNSCALED
    }


def test_fleet_at_its_maximum_has_the_concurrency_of_the_contracts(
    values: dict[str, Any], components: dict[str, dict[str, Any]]
) -> None:
    declared = build_topology()
    for name, component in components.items():
        size = values["components"][name]
        in_hand: int = size.get("slots") or component.get("inHand") or 1
        allowed = [declared.queue(queue).concurrency // in_hand for queue in component.get("queues", ())]
        if allowed:
            assert size["min"] <= size["atPeak"] <= min(allowed), name
        if "slots" in component:
            (queue,) = component["queues"]
            assert min(allowed) * in_hand == declared.queue(queue).concurrency, name


def test_a_queue_gets_long_enough_to_call_all_workers_there_are(
    values: dict[str, Any], components: dict[str, dict[str, Any]]
) -> None:
    for name, component in components.items():
        if "slots" in component:
            size = values["components"][name]
            ceiling = build_topology().queue(component["queues"][0]).concurrency // size["slots"]
            # The scheduler stops claiming at this depth: a pod more that asks for a longer queue would never come.
            assert (ceiling - 1) * size["messagesPerPod"] < _default(EventSettings, "queue_depth_limit"), name


def test_a_worker_may_go_on_the_network_where_its_settings_let_it(values: dict[str, Any]) -> None:
    ports = set(values["networkPolicy"]["webhookPorts"])
    assert ports == _default(DeliverySettings, "webhook_allowed_ports")


def _pods(size: dict[str, Any], component: dict[str, Any]) -> tuple[int, int]:
    """A component's least and most pods."""
    least = size.get("min") or size["replicas"]
    if queues := component.get("queues"):
        in_hand: int = size.get("slots") or component["inHand"]
        return least, min(build_topology().queue(queue).concurrency // in_hand for queue in queues)
    return least, size.get("max") or least


def _amount(quantity: str) -> float:
    """CPUs or GiB."""
    for suffix, scale in (("m", 1000), ("Mi", 1024), ("Gi", 1)):
        if quantity.endswith(suffix):
            return float(quantity.removesuffix(suffix)) / scale
    return float(quantity)


def _fleet(values: dict[str, Any], components: dict[str, dict[str, Any]], most: bool) -> list[float]:
    """Pods, CPUs, GiB and connections of everything, at least or at every ceiling."""
    total = [0.0] * 4
    for name, component in components.items():
        size = values["components"][name]
        pods = _pods(size, component)[most]
        # And one connection that listens.
        connections = size["connections"] + 1 if "database" in component["egress"] else 0
        each = (1, _amount(size["cpu"]), _amount(size["memory"]), connections)
        total = [sum_ + pods * amount for sum_, amount in zip(total, each, strict=True)]
    return total


def test_connections_stay_within_what_the_database_of_the_size_has(
    values: dict[str, Any], components: dict[str, dict[str, Any]]
) -> None:
    """At their ceilings: straight to a database of 500 connections, or to a pooler that lets 1,000 clients in."""
    assert _fleet(values, components, most=True)[3] <= (1_000 if values["database"]["pooler"] else 500)


def test_the_scaling_guide_says_what_the_profiles_ask_for(
    profile: str, values: dict[str, Any], components: dict[str, dict[str, Any]], pytestconfig: pytest.Config
) -> None:
    least, most = (_fleet(values, components, most=most) for most in (False, True))
    ranges = [f"{low:g}" if profile == "dev" else f"{low:g}..{high:g}" for low, high in zip(least, most, strict=True)]
    line = "| " + " | ".join([profile, *ranges]) + " |"
    assert line in (pytestconfig.rootpath / "docs" / "scaling.md").read_text()


def test_each_component_has_a_size_and_nothing_else_has(components: dict[str, dict[str, Any]]) -> None:
    sizes = yaml.safe_load((CHART / "values.yaml").read_text())["components"]
    assert list(sizes) == list(components)
