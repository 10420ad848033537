"""Decides which addresses may be sent to: public ones, and the networks and ports that settings open."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network
METADATA = "a cloud's metadata service"

# The special-purpose registries of IANA (RFC 6890). `is_global` differs between patch releases of Python.
_SPECIAL_V4 = {
    IPv4Network(network): kind
    for network, kind in {
        "0.0.0.0/8": "unspecified",
        "10.0.0.0/8": "private",
        "100.64.0.0/10": "shared by a carrier's customers",
        "127.0.0.0/8": "loopback",
        "169.254.0.0/16": "link-local",
        "172.16.0.0/12": "private",
        "192.0.0.0/24": "reserved",
        "192.0.2.0/24": "for documentation",
        "192.88.99.0/24": "a 6to4 relay",
        "192.168.0.0/16": "private",
        "198.18.0.0/15": "for benchmarks",
        "198.51.100.0/24": "for documentation",
        "203.0.113.0/24": "for documentation",
        "224.0.0.0/4": "multicast",
        "240.0.0.0/4": "reserved",
    }.items()
}
# Loopback, IPv4-mapped and NAT64 forms, unique local, link-local, multicast: all are outside what is routed.
_ROUTED_V6 = IPv6Network("2000::/3")
_SPECIAL_V6 = {
    IPv6Network(network): kind
    for network, kind in {
        "2001::/23": "for protocols such as Teredo",
        "2001:db8::/32": "for documentation",
        "2002::/16": "6to4",
        "3fff::/20": "for documentation",
    }.items()
}


# Services that tell a machine its own credentials or configuration. Most are link-local or private; Azure's is a public
# address that is routed inside its data centres alone.
_METADATA = frozenset(
    ip_address(address)
    for address in (
        "100.100.100.200",  # Alibaba Cloud
        "168.63.129.16",  # Azure: wire server and DNS
        "169.254.42.42",  # Scaleway
        "169.254.169.123",  # AWS: time
        "169.254.169.249",  # AWS: time
        "169.254.169.250",  # AWS: licences of Windows
        "169.254.169.251",
        "169.254.169.253",  # AWS: DNS
        "169.254.169.254",  # AWS, Azure, Google Cloud, Oracle Cloud, OpenStack, DigitalOcean and others
        "169.254.170.2",  # AWS: credentials of ECS tasks
        "169.254.170.23",  # AWS: credentials of EKS pods
        "192.0.0.192",  # Oracle Cloud, its first generation
        "fd00:42::42",  # Scaleway
        "fd00:c1::a9fe:a9fe",  # Oracle Cloud
        "fd00:ec2::23",  # AWS: credentials of EKS pods
        "fd00:ec2::123",  # AWS: time
        "fd00:ec2::240",  # AWS: licences of Windows
        "fd00:ec2::250",
        "fd00:ec2::253",  # AWS: DNS
        "fd00:ec2::254",  # AWS
        "fd20:ce::254",  # Google Cloud
        "fe80::a9fe:a9fe",  # OpenStack
    )
)


def special(address: IPv4Address | IPv6Address) -> str | None:
    """What an address is where it is not a public one of a single host, None where it is."""
    if address in _METADATA:
        return METADATA
    if isinstance(address, IPv6Address) and address not in _ROUTED_V6:
        return "not a public one"
    known = _SPECIAL_V4 if isinstance(address, IPv4Address) else _SPECIAL_V6
    return next((kind for network, kind in known.items() if address in network), None)


@dataclass(frozen=True, slots=True)
class AllowList:
    """``networks`` are open although they are not public; ``ports`` are all there are, every one where empty.

    A cloud's metadata service is open only where its own address is listed, as a network of one address: access
    to it gives the machine's credentials, and a network that contains it is seldom listed for that purpose.
    """

    networks: tuple[Network, ...] = ()
    ports: AbstractSet[int] = frozenset()

    def address_rule(self, address: str) -> str | None:
        """The rule that an address breaks, None where it may be sent to."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return "is not an address"
        kind = special(parsed)
        if any(parsed in network and (kind != METADATA or network.num_addresses == 1) for network in self.networks):
            return None
        return None if kind is None else f"must be public: this address is {kind}"

    def port_rule(self, port: int) -> str | None:
        """The rule that a port breaks, None where it may be sent to."""
        if not self.ports or port in self.ports:
            return None
        return f"port must be one of {', '.join(map(str, sorted(self.ports)))}"
