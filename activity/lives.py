"""The life of a token as a line: issued, first and last used, now, and its end."""

from dataclasses import dataclass
from datetime import datetime

from tokens.models import DelegatedToken


@dataclass(frozen=True, slots=True)
class Life:
    """Places on a line of 100, from its issue to its expiry."""

    passed: float
    ended: float | None  # where it was revoked, or gave way to its successor
    used_from: float
    used_to: float
    is_used: bool

    @classmethod
    def of(cls, token: DelegatedToken, first: datetime | None, last: datetime | None, now: datetime) -> "Life":
        whole = token.expires_at - token.issued_at

        def place(moment: datetime) -> float:
            return round(min(max((moment - token.issued_at) / whole, 0.0), 1.0) * 100, 2)

        ended_at = token.revoked_at or (token.ends_at if token.ends_at < token.expires_at else None)
        return cls(
            passed=place(min(now, ended_at) if ended_at else now),
            ended=place(ended_at) if ended_at and ended_at < token.expires_at else None,
            used_from=place(first) if first else 0.0,
            used_to=place(last) if last else 0.0,
            is_used=first is not None,
        )

    @property
    def used_width(self) -> float:
        return round(max(self.used_to - self.used_from, 0.5), 2)
