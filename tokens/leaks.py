"""What is done about leaked credentials: whoever holds one has proven nothing but that it is no longer a secret."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from celery import current_app
from django.db import transaction

from profiles.events import Action, Actor, ActorKind, Event
from tokens import keys
from tokens.models import AccessToken, DelegatedToken, ManagementKey, OAuthSession, RefreshToken

REPORTER = "a leak report"
LEAKED = DelegatedToken.Reason.LEAKED


def revoke(found: Iterable[tuple[str, str]], *, address: str, now: datetime) -> int:
    """End what is real among these (digest, kind) and still lives; return how many. The owners are told."""
    by = Actor(ActorKind.SYSTEM, label=REPORTER, address=address)
    return sum(_end(digest, kind, by, now) for digest, kind in found)


def _end(digest: str, kind: str, by: Actor, now: datetime) -> bool:
    if kind == keys.Kind.MANAGEMENT:
        return bool(ManagementKey.objects.filter(digest=digest).end_for_good(by=by, reason=LEAKED, now=now))
    return _end_token(digest, by, now) if kind == keys.Kind.DELEGATED else _end_session(digest, kind, by, now)


def _end_token(digest: str, by: Actor, now: datetime) -> bool:
    token = DelegatedToken.objects.living(now).filter(digest=digest).select_related("account").first()
    if token is None:
        return False
    with transaction.atomic():
        Event.record(Action.TOKEN_LEAK_REPORTED, by=by, now=now, account=token.account, subject=token)
        return token.revoke(by=by, reason=token.Reason.LEAKED, now=now)


def _end_session(digest: str, kind: str, by: Actor, now: datetime) -> bool:
    tokens: Any = AccessToken.objects if kind == keys.Kind.ACCESS else RefreshToken.objects
    sessions = OAuthSession.objects.with_connection().filter(ended_at=None, ends_at__gt=now)
    session = sessions.filter(pk__in=tokens.filter(token_checksum=digest).values("session")).first()
    if session is None:
        return False
    connection = session.connection
    with transaction.atomic():
        Event.record(Action.TOKEN_LEAK_REPORTED, by=by, now=now, account=connection.account, subject=connection)
        is_ended = session.end(by=by, reason="leaked", now=now)
        tell = [connection.pk]
        transaction.on_commit(lambda: current_app.send_task("tokens.tasks.mail_session_leaked", args=tell), robust=True)
    return is_ended
