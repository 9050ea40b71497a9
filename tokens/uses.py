"""What Activity knows of the calls of a token and of its other generations, for the pages here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tokens.models import DelegatedToken
from tokens.signals import callers_wanted, uses_wanted

SILENT_AFTER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Asked:
    """Of which token, since when its calls count, and when it ended, if it has."""

    public_id: str
    since: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Use:
    calls: int  # let through, since the moment that was asked for
    last_accepted_at: datetime | None
    first_refused_at: datetime | None  # after its end


@dataclass(frozen=True, slots=True)
class Callers:
    """Of the latest calls: the tokens that were asked for, or how their clients call themselves."""

    public_ids: Sequence[str] = ()
    clients: Sequence[str] = ()


def of(tokens: Sequence[DelegatedToken], now: datetime) -> dict[str, Use]:
    """Return the use of each generation by its public id, counted since the current one took over."""
    current = next((token for token in tokens if token.stage == token.Stage.CURRENT), None)
    since = (current.activated_at if current else None) or min(token.issued_at for token in tokens)
    asked = [
        Asked(token.public_id, since, token.revoked_at or (token.ends_at if token.ends_at <= now else None))
        for token in tokens
    ]
    answers: list[tuple[Any, Any]] = uses_wanted.send(None, asked=asked)
    return {public_id: use for _, answer in answers for public_id, use in answer.items()}


def silent_since(token: DelegatedToken, use: Use | None, now: datetime) -> datetime | None:
    """Return since when nothing calls a replaced token any more, if nothing has for a while."""
    if token.stage != token.Stage.OVERLAPPING or use is None:
        return None
    last = use.last_accepted_at or token.issued_at
    return last if now - last > SILENT_AFTER else None


def seen(*, address: str = "", client: str = "") -> set[str]:
    """Return the public ids whose latest calls came from this address, or from a client that calls itself so."""
    answers: list[tuple[Any, Any]] = callers_wanted.send(None, address=address, client=client)
    return {public_id for _, found in answers for public_id in found.public_ids}


def clients_lately() -> list[str]:
    """Return how the clients of the latest calls call themselves."""
    answers: list[tuple[Any, Any]] = callers_wanted.send(None, address="", client="")
    return sorted({name for _, found in answers for name in found.clients}, key=str.lower)
