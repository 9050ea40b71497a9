"""Ranges of addresses in CIDR notation (RFC 4632, RFC 4291 section 2.3), and whether an address lies in one."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.utils.translation import gettext

Network = IPv4Network | IPv6Network
MAPPED_BITS = 96  # of an IPv4 address written as IPv6 (RFC 4291 section 2.5.5.2)


def parse(text: str) -> Network:
    """Return the range, one of IPv4-mapped addresses as IPv4; raise ValueError with a sentence that says what to do."""
    try:
        found = ip_network(text.strip(), strict=False)
    except ValueError:
        said = gettext("“%(text)s” is not a range. Write it as in 203.0.113.0/24 or 2001:db8::/32.")
        raise ValueError(said % {"text": text[:60]}) from None
    if "%" in text:
        said = gettext("“%(text)s” names an interface. Write the range without %%….")
        raise ValueError(said % {"text": text[:60]})
    network = _plain(found)
    if found.network_address != ip_address(text.strip().partition("/")[0]):
        said = gettext("“%(text)s” begins in the middle of a range. Write %(network)s.")
        raise ValueError(said % {"text": text[:60], "network": network})
    return network


def is_within(address: str, networks: Iterable[Network]) -> bool:
    """Return True if the address lies in one of the ranges; what is no address lies in none."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address):
        if found.scope_id:
            return False
        found = found.ipv4_mapped or found
    return any(found in network for network in networks)


def _plain(network: Network) -> Network:
    if isinstance(network, IPv6Network) and network.prefixlen >= MAPPED_BITS:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - MAPPED_BITS))
    return network
