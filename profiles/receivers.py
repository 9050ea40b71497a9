"""Events of signing in, whichever way it was done."""

from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.account.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from profiles.events import Action, Actor, Event
from profiles.models import User


@receiver(user_logged_in)
def note_signing_in(request: HttpRequest, user: User, **kwargs: Any) -> None:
    records = get_authentication_records(request, user)
    method = records[-1]["method"] if records else ""
    by = Actor.from_request(request)
    Event.record(Action.SIGNED_IN, by=by, now=timezone.now(), subject=user, after={"method": method})
