"""What happens in profiles itself when somebody signs in, or loses their access."""

from datetime import datetime
from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.account.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from profiles.events import Action, Actor, Event
from profiles.models import Account, Authorization, User
from profiles.signals import access_ended


@receiver(user_logged_in)
def note_signing_in(request: HttpRequest, user: User, **kwargs: Any) -> None:
    records = get_authentication_records(request, user)
    method = records[-1]["method"] if records else ""
    by = Actor.from_request(request)
    Event.record(Action.SIGNED_IN, by=by, now=timezone.now(), subject=user, after={"method": method})


@receiver(access_ended)
def end_own_authorizations(user: User, account: Account | None, by: Actor, now: datetime, **kwargs: Any) -> None:
    """End what only the person used. What an admin gave to the whole organization stays, for the admins to end."""
    own = Authorization.objects.filter(owner=user, visibility=Authorization.Visibility.USER)
    (own.filter(account=account) if account else own).end(by=by, now=now, reason="its owner lost their access")
