"""Which addresses are public, and what settings open or close."""

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery_service.domain.addresses import AllowList, special

PUBLIC = AllowList()


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::ffff:0:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:0:7f00:1::",
        "2001:2::1",
        "2001:10::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_non_public_address_is_refused(address: str) -> None:
    assert PUBLIC.address_rule(address) is not None


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "8.8.8.8", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:2800:220:1::1", "2a00:1450::1"],
)
def test_a_public_address_may_be_sent_to(address: str) -> None:
    assert PUBLIC.address_rule(address) is None


@pytest.mark.parametrize(
    "address",
    ["168.63.129.16", "100.100.100.200", "169.254.169.254", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"],
)
def test_metadata_service_is_refused_unless_its_own_address_is_allowed(address: str) -> None:
    assert PUBLIC.address_rule(address) == "must be public: this address is a cloud's metadata service"
    width = 32 if "." in address else 128
    around = AllowList((ip_network(f"{address}/{width - 8}", strict=False),))
    assert around.address_rule(address) is not None
    assert AllowList((ip_network(address),)).address_rule(address) is None


@given(st.ip_addresses())
def test_python_agrees_with_whatever_may_be_sent_to(address: IPv4Address | IPv6Address) -> None:
    if special(address) is None:
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved


def test_an_open_network_is_open_in_its_own_form_alone() -> None:
    allow_list = AllowList((ip_network("127.0.0.0/8"), ip_network("fd00::/8")))
    assert allow_list.address_rule("127.0.0.1") is None
    assert allow_list.address_rule("fd00::1") is None
    assert allow_list.address_rule("::ffff:127.0.0.1") is not None
    assert allow_list.address_rule("10.0.0.1") is not None


@pytest.mark.parametrize("address", ["", "127.1", "0x7f.1", "2130706433", "example.org", "[::1]"])
def test_what_is_no_address_may_not_be_sent_to(address: str) -> None:
    assert PUBLIC.address_rule(address) is not None


def test_ports_are_those_of_the_settings_or_all() -> None:
    assert PUBLIC.port_rule(25) is None
    assert AllowList(ports={80, 443}).port_rule(443) is None
    assert AllowList(ports={80, 443}).port_rule(25) == "port must be one of 80, 443"
