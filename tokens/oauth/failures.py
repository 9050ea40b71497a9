"""How many failed client authentications an address may have, before it is told to wait.

Kept in the memory of this process: a write for each attempt would be a way to slow everybody down. The bound is
meant for floods. What is guessed has 256 random bits, and N processes that count apart allow N times as much.
"""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

MOST_KEPT = 10_000


@dataclass
class Limit:
    """So many at once, and then one every so many seconds. The ones noted longest ago are forgotten first."""

    most: int
    every: float
    _full_at: OrderedDict[str, float] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def wait(self, key: str, now: datetime) -> float:
        """Return the seconds until one more may fail; 0 where it may at once."""
        owed = self._full_at.get(key, 0.0) - now.timestamp()
        return max(0.0, min(owed, self.most * self.every) - (self.most - 1) * self.every)

    def note(self, key: str, now: datetime) -> None:
        with self._lock:
            begun = max(self._full_at.pop(key, 0.0), now.timestamp())
            self._full_at[key] = min(begun, now.timestamp() + self.most * self.every) + self.every
            if len(self._full_at) > MOST_KEPT:
                self._full_at.popitem(last=False)

    def forget(self) -> None:
        with self._lock:
            self._full_at.clear()


# Not for a client alone: anybody could then lock it out.
OF_CLIENT_AT_ADDRESS = Limit(most=10, every=6)
OF_ADDRESS = Limit(most=60, every=1)
OF_APPLICATION = Limit(most=60, every=1)  # tokens that it asks for on its own, and that nothing refuses


def wait(address: str, client_id: str, now: datetime) -> float:
    network = _network(address)
    return max(OF_CLIENT_AT_ADDRESS.wait(f"{network} {client_id}", now), OF_ADDRESS.wait(network, now))


def note(address: str, client_id: str, now: datetime) -> None:
    network = _network(address)
    OF_CLIENT_AT_ADDRESS.note(f"{network} {client_id}", now)
    OF_ADDRESS.note(network, now)


def forget() -> None:
    OF_CLIENT_AT_ADDRESS.forget()
    OF_ADDRESS.forget()
    OF_APPLICATION.forget()


def _network(address: str) -> str:
    """Return the address, or the /64 of an IPv6 one: whoever has one of these has them all."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False))
