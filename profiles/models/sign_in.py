import hashlib
import secrets
from datetime import datetime, timedelta
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils.translation import gettext as _

from profiles.events import Action, Actor, Event
from profiles.models.people import User

LIFETIME = timedelta(hours=1)


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class SignInLinkManager(models.Manager["SignInLink"]):
    def make(self, user: User, *, by: Actor, now: datetime) -> str:
        """Return the secret of a link that signs this person in once, within an hour; only its digest is kept."""
        if user.is_machine:
            raise ValidationError(_("%(user)s stands for an application, and never signs in.") % {"user": user})
        secret = secrets.token_urlsafe(32)
        with transaction.atomic():
            self.create(user=user, digest=digest(secret), expires_at=now + LIFETIME)
            Event.record(Action.SIGN_IN_LINK_MADE, by=by, now=now, subject=user)
        return secret

    def good(self, secret: str, *, now: datetime) -> "SignInLink | None":
        good = self.filter(used_at=None, expires_at__gt=now, user__is_active=True, user__is_machine=False)
        return good.filter(digest=digest(secret)).select_related("user").first()


class SignInLink(models.Model):
    """A one-time sign-in link, made by an operator."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sign_in_links")
    digest = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    objects: ClassVar[SignInLinkManager] = SignInLinkManager()

    def __str__(self) -> str:
        return f"sign-in link of {self.user}"

    def use(self, *, now: datetime) -> bool:
        """Return True to the one caller who may sign in with it."""
        return bool(SignInLink.objects.filter(pk=self.pk, used_at=None, expires_at__gt=now).update(used_at=now))
