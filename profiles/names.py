"""Names under which a toolkit shows the tools of its servers. Pure functions."""

import hashlib
import itertools
import re
from collections.abc import Container

RESERVED = frozenset({"nexus_status"})  # the hub's own tool
MAX_LENGTH = 48  # leaves room for the prefixes that clients put before it (64 in all)
UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


def prefixed(slug: str, name: str) -> str:
    """Return `<slug>__<name>` for a tool or prompt; what is longer than 48 characters or altered ends in a hash."""
    wanted = f"{slug}__{name}"
    safe = UNSAFE.sub("_", wanted)
    if safe == wanted and len(wanted) <= MAX_LENGTH:
        return wanted
    digest = hashlib.sha256(wanted.encode()).hexdigest()[:6]
    return f"{safe[: MAX_LENGTH - 7]}_{digest}"


def distinct(wanted: str, taken: Container[str]) -> str:
    """Return the name, or where it is taken, the first numbered one that is free."""
    numbered = (f"{wanted[: MAX_LENGTH - 1 - len(str(number))]}_{number}" for number in itertools.count(2))
    return next(name for name in itertools.chain([wanted], numbered) if name not in taken)
