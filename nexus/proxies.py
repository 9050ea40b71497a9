"""Who really asks, where trusted proxies stand in between. Pure functions."""

import ipaddress
import re
import uuid

REQUEST_ID = re.compile(r"[0-9A-Za-z-]{8,36}")


def client_address(peer: str, forwarded_for: str, hops: int) -> str:
    """Return the address that the outermost trusted proxy saw.

    Each proxy appends whom it saw to X-Forwarded-For, so with `hops` proxies that is the entry `hops` from the right;
    what stands further left is the client's own claim. Where there is no such entry, or it is no address, the peer.
    """
    return known_address(peer, forwarded_for, hops) or peer if hops > 0 else peer


def known_address(peer: str, forwarded_for: str, hops: int) -> str:
    """Return the client's address for decisions: "" where a proxy should have named it and did not."""
    if hops < 1:
        return plain_address(peer) or ""
    entries = forwarded_for.split(",")
    return (plain_address(entries[-hops].strip()) or "") if len(entries) >= hops else ""


def plain_address(text: str) -> str | None:
    """Return the address without port and brackets, IPv4 in its own form; None if it is none."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:
            return None
        return str(address.ipv4_mapped or address)
    return str(address)


def request_id(claimed: str, hops: int) -> str:
    """Return the id that a trusted proxy gave the request, else a new one."""
    if hops > 0 and REQUEST_ID.fullmatch(claimed):
        return claimed
    return str(uuid.uuid4())
