"""Where Nexus connects to, and where it refuses to: the guard of every outgoing connection."""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from profiles.upstream.errors import AddressRefused, Unreachable

logger = logging.getLogger("nexus.upstream")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# Returns the numeric addresses of a host name; raises OSError or UnicodeError if it has none.
Lookup = Callable[[str, int], Awaitable[list[str]]]

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
NEVER_NAMED = frozenset({"metadata.google.internal", "metadata.goog", "metadata", "instance-data"})
# Not public, though Python 3.11 says so: reserved for protocols, for documentation, or no longer in use.
NOT_PUBLIC: Sequence[Network] = [ipaddress.ip_network(text) for text in ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")]
PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")  # all that was ever given out; behind other prefixes anything may lie
NAT64 = ipaddress.ip_network("64:ff9b::/96")

# Threads of their own: a name server that does not answer holds up nobody but those who ask for such names.
_lookups = ThreadPoolExecutor(max_workers=32, thread_name_prefix="lookup")


def parse(url: str) -> SplitResult:
    """Return the parts of an http(s) address; raise AddressRefused for anything else."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
        host_of(parts)
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


def host_of(parts: SplitResult) -> str:
    """Return the host as name servers know it: other digits, letters and dots become what they stand for in ASCII.

    Raise ValueError for what cannot be a name.
    """
    host = parts.hostname or ""
    return host if ":" in host else host.encode("idna").decode("ascii").lower().removesuffix(".")


def default_port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def is_permitted(address: Address, port: int, allowed: Iterable[Network]) -> bool:
    """Return True for a public address, or one in the operator's ranges; disguises are taken off first."""
    address = undisguised(address)
    if any(address in network for network in NEVER):
        return False
    if port == settings.PORT and (address.is_loopback or address.is_unspecified):
        return False  # the hub itself
    return is_public(address) or any(address in network for network in allowed)


def is_public(address: Address) -> bool:
    if not address.is_global or address.is_multicast or any(address in network for network in NOT_PUBLIC):
        return False
    return isinstance(address, ipaddress.IPv4Address) or address in PUBLIC_IPV6


def undisguised(address: Address) -> Address:
    """Return the IPv4 address inside a mapped, NAT64, 6to4 or Teredo address, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None) or address


async def look_up(host: str, port: int) -> list[str]:
    """Ask the system; proxies that the environment names are not asked."""
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(_lookups, socket.getaddrinfo, host, port, 0, socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


async def resolve(host: str, port: int, lookup: Lookup = look_up) -> list[str]:
    """Return the numeric addresses of the host; raise AddressRefused if any of them is forbidden.

    The caller connects to one of these and never resolves again, so that no second answer can differ.
    """
    if host in NEVER_NAMED:
        raise AddressRefused(f"Nexus never connects to {host}: it is a metadata service.")
    if f"{host}:{port}" == _own_address():
        raise AddressRefused(f"{host}:{port} is Nexus itself.")
    numeric = [host] if _is_numeric(host) else await _looked_up(host, port, lookup)
    for text in numeric:
        refuse_forbidden(host, ipaddress.ip_address(text.partition("%")[0]), port)
    return numeric


async def _looked_up(host: str, port: int, lookup: Lookup) -> list[str]:
    try:
        return list(dict.fromkeys(await lookup(host, port)))
    except (OSError, UnicodeError):
        raise Unreachable(f"The name {host} is not known.") from None


def _is_numeric(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _own_address() -> str:
    parts = urlsplit(settings.NEXUS_BASE_URL)
    return f"{parts.hostname}:{default_port(parts)}"


def refuse_forbidden(host: str, address: Address, port: int) -> None:
    """Raise AddressRefused, with what to do, if Nexus does not connect to the address.

    What a name stands for in the operator's network is told to the operator alone, in the log.
    """
    if is_permitted(address, port, settings.NEXUS_ALLOWED_NETWORKS):
        return
    plain = undisguised(address)
    logger.info("no connection to %s: %s is not allowed", host, plain)
    if any(plain in network for network in NEVER):
        raise AddressRefused(f"Nexus never connects to {host}: it is link-local or a metadata service.")
    if port == settings.PORT and (plain.is_loopback or plain.is_unspecified):
        raise AddressRefused(f"{host}:{port} is Nexus itself.")
    raise AddressRefused(
        f"Nexus does not connect to {host}: it is not a public address. "
        "The operator can allow its range with NEXUS_ALLOWED_NETWORKS."
    )
