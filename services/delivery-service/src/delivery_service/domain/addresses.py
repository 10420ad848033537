"""Which addresses may be sent to: public ones, and the networks and ports that settings open (design §5)."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network

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


def special(address: IPv4Address | IPv6Address) -> str | None:
    """What an address is where it is not a public one of a single host, None where it is."""
    if isinstance(address, IPv6Address) and address not in _ROUTED_V6:
        return "not a public one"
    known = _SPECIAL_V4 if isinstance(address, IPv4Address) else _SPECIAL_V6
    return next((kind for network, kind in known.items() if address in network), None)


@dataclass(frozen=True, slots=True)
class Reach:
    """``networks`` are open although they are not public; ``ports`` are all there are, every one where empty."""

    networks: tuple[Network, ...] = ()
    ports: AbstractSet[int] = frozenset()

    def address_rule(self, address: str) -> str | None:
        """The rule that an address breaks, None where it may be sent to."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return "is not an address"
        if any(parsed in network for network in self.networks):
            return None
        kind = special(parsed)
        return None if kind is None else f"must be public: this address is {kind}"

    def port_rule(self, port: int) -> str | None:
        """The rule that a port breaks, None where it may be sent to."""
        if not self.ports or port in self.ports:
            return None
        return f"port must be one of {', '.join(map(str, sorted(self.ports)))}"
