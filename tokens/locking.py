"""Keeping a token to the addresses it was used from so far: Activity knows them, `tokens` narrows."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Any

from tokens import networks
from tokens.models import DelegatedToken
from tokens.models.narrowing import MAX_NETWORKS
from tokens.networks import Network
from tokens.signals import addresses_wanted

OF_A_HOUSE = 64  # bits that stay the same while the rest of an IPv6 address changes by the day (RFC 8981)


@dataclass(frozen=True, slots=True)
class Seen:
    """From where the calls of a token's living generations came, and what it can be kept to."""

    networks: list[str]

    @property
    def are_too_many(self) -> bool:
        return len(self.networks) > MAX_NETWORKS

    @classmethod
    def of(cls, token: DelegatedToken) -> "Seen":
        """Return what is narrower than the token is now; nothing where it has ended, or is kept to just that."""
        generations = token.generations().exclude(stage=token.Stage.ENDED)
        asked = list(generations.values_list("public_id", flat=True))
        answers: list[tuple[Any, Any]] = addresses_wanted.send(None, public_ids=asked) if asked else []
        allowed = [networks.parse(text) for text in token.networks]
        found = {str(narrowed) for _, answer in answers for each in answer if (narrowed := _range_of(each, allowed))}
        return cls([] if found == set(token.networks) else sorted(found))


def _range_of(address: str, allowed: Sequence[Network]) -> Network | None:
    """Return the range to keep a client to that was seen at the address, within those that it is kept to already."""
    if allowed and not networks.is_within(address, allowed):
        return None
    try:
        found = ip_address(address)
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and not found.ipv4_mapped:
        house = networks.parse(f"{IPv6Address(int(found) >> OF_A_HOUSE << OF_A_HOUSE)}/{OF_A_HOUSE}")
    else:
        house = networks.parse(address)
    narrower = [each for each in allowed if networks.is_within(address, [each]) and each.prefixlen > house.prefixlen]
    return narrower[0] if narrower else house
