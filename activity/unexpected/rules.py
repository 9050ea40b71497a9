"""The rules: from the history of a token to signs, each a value that is found once, with what is said of it.

A rule says what it sees, new or not: what is expected of the token is known by its value (activity.models.Habit).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from activity.models import Rule
from activity.models.findings import VALUE_LENGTH
from activity.unexpected.histories import History, Use, by_value
from activity.unexpected.sentences import NAMELESS, Sentence

BURST_AT_LEAST = 200  # calls in an hour
BURST_TIMES = 5  # as many as in the busiest hour before
BURST_DAYS = 14  # of history
REFUSALS_IN_A_ROW = 20  # within an hour
TURNS = 6  # of two services, within an hour
GRACE = timedelta(minutes=5)  # after the end: clocks differ, and services retry
SAID_LENGTH = 300
UNNAMED = NAMELESS["one"]


@dataclass(frozen=True, slots=True)
class Sign:
    """Something that a rule sees in a history; it is found once by its value."""

    value: str
    sentence: Sentence
    first_at: datetime
    last_at: datetime
    address: str = ""

    @classmethod
    def of(cls, value: str, sentence: Sentence, calls: Sequence[Use]) -> "Sign":
        address = next((use.address for use in reversed(calls) if use.address), "")
        return cls(value[:VALUE_LENGTH], sentence, calls[0].at, calls[-1].at, address)

    @property
    def said(self) -> str:
        return self.sentence.in_english[:SAID_LENGTH]

    def as_evidence(self) -> dict[str, Any]:
        return {
            "value": self.value, "said": self.said, "address": self.address, "at": self.first_at.isoformat(),
            "sentence": self.sentence.name, "parts": dict(self.sentence.parts),
        }  # fmt: skip


Signs = Iterator[Sign]


def new_network(history: History) -> Signs:
    """See each /24 (IPv4) or /48 (IPv6) that calls come from, refused ones too."""
    for network, calls in by_value((use.network, use) for use in history.while_alive).items():
        yield Sign.of(network, Sentence("network", {"network": network}), calls)


def new_client(history: History) -> Signs:
    """See each family of clients: the name without the version, or the program of the user agent."""
    for client, calls in by_value((use.client, use) for use in history.while_alive).items():
        yield Sign.of(client, Sentence("client", {"client": client}), calls)


def burst(history: History) -> Signs:
    """See an hour with 200 calls or more that are over five times those of the busiest hour of the 14 days before."""
    if not history.hours or not history.while_alive:
        return
    hour = max(history.hours)
    before = max((calls for at, calls in history.hours.items() if at < hour), default=0)
    now = history.hours[hour]
    if now >= BURST_AT_LEAST and now > BURST_TIMES * before:
        parts = {"number": f"{now:,}", "hour": f"{hour.astimezone(UTC):%H:%M}"}
        most = {"days": str(BURST_DAYS), "before": f"{before:,}"}
        said = Sentence("burst", parts | most) if before else Sentence("burst_at_once", parts)
        yield Sign.of(hour.astimezone(UTC).isoformat(), said, history.while_alive[-1:])


def refusals_in_a_row(history: History) -> Signs:
    """See 20 calls in a row, within an hour and up to the newest, that were all refused."""
    row = history.last_hour[-REFUSALS_IN_A_ROW:] if history.while_alive else []
    if len(row) == REFUSALS_IN_A_ROW and all(use.is_refused for use in row):
        since = history.last_accepted_at.isoformat() if history.last_accepted_at else "ever"
        parts, reason = {"number": str(REFUSALS_IN_A_ROW)}, row[-1].reason
        said = Sentence("refused_because", parts | {"reason": reason}) if reason else Sentence("refused", parts)
        yield Sign.of(since, said, row)


def shared(history: History) -> Signs:
    """See two services that take turns, at least three times each within an hour.

    Two of different clients, or of one client in two networks of which one at least is not expected: a service may
    well leave its house by several doors.
    """
    if not history.while_alive:
        return
    accepted = [use for use in history.last_hour if not use.is_refused and any(use.source)]
    turns: Counter[tuple[str, str]] = Counter()
    by_turn: dict[tuple[str, str], list[Use]] = {}
    for one, other in pairwise(accepted):
        if pair := _pair(one, other, history):
            turns[pair] += 1
            by_turn.setdefault(pair, []).append(other)
    for pair, number in turns.items():
        if number >= TURNS:
            yield Sign.of(" | ".join(pair), _of_two(pair, by_turn[pair]), by_turn[pair])


def _of_two(pair: tuple[str, str], calls: Sequence[Use]) -> Sentence:
    one, other = ("" if name == UNNAMED else name for name in pair)
    client = calls[-1].client
    if client and one.startswith(f"{client} in ") and other.startswith(f"{client} in "):
        networks = [name.removeprefix(f"{client} in ") for name in (one, other)]
        return Sentence("shared_networks", {"client": client, "one": networks[0], "other": networks[1]})
    return Sentence("shared", {"one": one, "other": other})


def _pair(one: Use, other: Use, history: History) -> tuple[str, str] | None:
    """Return the names of two services, in order; None where both calls may well be of one."""
    if one.client != other.client:
        first, second = sorted([one.client or UNNAMED, other.client or UNNAMED])
        return first, second
    networks = sorted([one.network, other.network])
    if one.network == other.network or all(history.expects(Rule.NETWORK, network) for network in networks):
        return None
    who = f"{one.client} in " if one.client else ""
    return f"{who}{networks[0]}", f"{who}{networks[1]}"


def used_after_its_end(history: History) -> Signs:
    """See each network from which calls come more than five minutes after the token expired or was revoked."""
    if history.ended_at is None:
        return
    late = [use for use in history.calls if use.at > history.ended_at + GRACE]
    for network, calls in by_value((use.network or NAMELESS["network"], use) for use in late).items():
        yield Sign.of(network, Sentence("ended", {"network": calls[0].network}), calls)


RULES: Mapping[Rule, Callable[[History], Signs]] = {
    Rule.ENDED: used_after_its_end,
    Rule.SHARED: shared,
    Rule.NETWORK: new_network,
    Rule.CLIENT: new_client,
    Rule.BURST: burst,
    Rule.REFUSALS: refusals_in_a_row,
}
NEVER_QUIET = frozenset({Rule.ENDED})
