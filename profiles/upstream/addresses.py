"""Where Nexus connects to, and where it refuses to: the guard of every outgoing connection."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Sequence
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from profiles.upstream.errors import AddressRefused, Unreachable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Link-local and the metadata services of clouds: never, whatever the operator allows.
NEVER: Sequence[Network] = [
    ipaddress.ip_network(text)
    for text in (
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::/32",
        "100.100.100.200/32",
        "192.0.0.192/32",
        "168.63.129.16/32",
    )
]
# Not public, though Python 3.11 says so: translation prefixes behind which anything may lie, and reserved ones.
NOT_PUBLIC: Sequence[Network] = [
    ipaddress.ip_network(text) for text in ("64:ff9b:1::/48", "::ffff:0:0:0/96", "::/96", "fec0::/10", "5f00::/16")
]
NAT64 = ipaddress.ip_network("64:ff9b::/96")


def parse(url: str) -> SplitResult:
    """Return the parts of an http(s) address; raise AddressRefused for anything else."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise AddressRefused("This is not an address. Write one such as https://mcp.example.com/mcp.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise AddressRefused("The address must begin with https:// or http://, as in https://mcp.example.com/mcp.")
    if parts.username is not None or parts.password is not None:
        raise AddressRefused(
            "The address carries a user name or password. Leave them out; they would be shown to others."
        )
    if port == 0 or any(character in url for character in "\r\n\t \\"):
        raise AddressRefused("The address has characters that no address may have.")
    return parts


def default_port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def is_permitted(address: Address, port: int, allowed: Iterable[Network]) -> bool:
    """Return True for a public address, or one in the operator's ranges; disguises are taken off first."""
    address = undisguised(address)
    if any(address in network for network in NEVER):
        return False
    if address.is_loopback and port == settings.PORT:
        return False  # the hub itself
    if address.is_global and not address.is_multicast and not any(address in network for network in NOT_PUBLIC):
        return True
    return any(address in network for network in allowed)


def undisguised(address: Address) -> Address:
    """Return the IPv4 address inside a mapped, NAT64, 6to4 or Teredo address, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None) or address


async def resolve(host: str, port: int) -> list[str]:
    """Return the numeric addresses of the host; raise AddressRefused if any of them is forbidden.

    The caller connects to one of these and never resolves again, so that no second answer can differ.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise Unreachable(f"The name {host} is not known.") from None
    numeric = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for text in numeric:
        refuse_forbidden(host, ipaddress.ip_address(text.partition("%")[0]), port)
    return numeric


def refuse_forbidden(host: str, address: Address, port: int) -> None:
    """Raise AddressRefused, with what to do, if Nexus does not connect to the address."""
    if is_permitted(address, port, settings.NEXUS_ALLOWED_NETWORKS):
        return
    plain = undisguised(address)
    if any(plain in network for network in NEVER):
        raise AddressRefused(f"Nexus never connects to {host}: {plain} is link-local or a metadata service.")
    if plain.is_loopback and port == settings.PORT:
        raise AddressRefused(f"{host}:{port} is Nexus itself.")
    raise AddressRefused(
        f"Nexus does not connect to {host}: {plain} is not a public address. "
        "The operator can allow its range with NEXUS_ALLOWED_NETWORKS."
    )
