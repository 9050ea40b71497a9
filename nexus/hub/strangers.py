"""Refusals that belong to nobody known: the newest of each address and kind, in memory, and only so many."""

from collections import OrderedDict
from datetime import UTC, datetime

MOST = 1000

Seen = OrderedDict[tuple[str, str], datetime]


class Strangers:
    """What this process has refused of late without a real secret; nobody waits for it."""

    def __init__(self) -> None:
        self._seen: Seen = OrderedDict()

    def note(self, address: str, refusal: str) -> None:
        key = address, refusal
        self._seen[key] = datetime.now(UTC)
        self._seen.move_to_end(key)
        if len(self._seen) > MOST:
            self._seen.popitem(last=False)

    def __len__(self) -> int:
        return len(self._seen)

    def forget(self) -> None:
        self._seen.clear()

    def at(self, address: str, since: datetime) -> list[tuple[str, datetime]]:
        """Return which refusals this address met since then, the newest first."""
        seen = list(self._seen.items())
        return [(refusal, at) for (where, refusal), at in reversed(seen) if where == address and at >= since]


strangers = Strangers()
