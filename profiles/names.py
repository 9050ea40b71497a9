"""Names under which a toolkit shows the tools of its servers. Pure functions."""

import hashlib
import re

MAX_LENGTH = 48  # leaves room for the prefixes that clients put before it (64 in all)
UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


def prefixed(slug: str, tool: str) -> str:
    """Return `<slug>__<tool>`; what is longer than 48 characters or altered ends in six digits of a hash."""
    wanted = f"{slug}__{tool}"
    safe = UNSAFE.sub("_", wanted)
    if safe == wanted and len(wanted) <= MAX_LENGTH:
        return wanted
    digest = hashlib.sha256(wanted.encode()).hexdigest()[:6]
    return f"{safe[: MAX_LENGTH - 7]}_{digest}"
