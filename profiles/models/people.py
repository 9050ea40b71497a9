import zoneinfo
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models.functions import Lower
from django.utils import timezone, translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles.events import Action, Actor, Event
from profiles.models.accounts import Account
from profiles.permissions import Role
from profiles.signals import access_ended, authority_changed

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager

    from profiles.models.members import Member


MACHINE_DOMAIN = "machine.invalid"


def validate_time_zone(value: str) -> None:
    if value not in zoneinfo.available_timezones():
        raise ValidationError(
            gettext("“%(value)s” is not a time zone. Write one such as Europe/Berlin.") % {"value": value}
        )


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a person and the personal account that belongs to them."""
        if not email:
            raise ValueError("A user needs an e-mail address.")
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        self._open(user)
        return user

    def add(self, user: "User", *, by: Actor, now: datetime) -> None:
        """Save a person whom staff made up, without a password: they sign in by a link or a mailed code."""
        user.email = self.normalize_email(user.email).lower()
        user.set_unusable_password()
        with transaction.atomic():
            self._open(user)
            Event.record(Action.USER_ADDED, by=by, now=now, subject=user, after={"is_staff": user.is_staff})

    def add_machine(
        self, account: "Account", client_id: str, name: str, role: Role, *, by: Actor, now: datetime
    ) -> "Member":
        """Make the user that an application acts as when no person stands behind it, as a member of the account.

        It has no personal account, no password and an address that no mail reaches (RFC 2606).
        """
        machine = self.model(email=f"machine-{client_id}@{MACHINE_DOMAIN}".lower(), name=name, is_machine=True)
        machine.set_unusable_password()
        with transaction.atomic():
            machine.save(using=self._db, force_insert=True)
            Event.record(
                Action.USER_ADDED, by=by, now=now, account=account, subject=machine, after={"is_machine": True}
            )
            return account.add_member(machine, role, by=by, now=now)

    def _open(self, user: "User") -> None:
        with transaction.atomic():
            user.save(using=self._db)
            Account.objects.open_personal(user)

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)


class User(AbstractUser):
    """A person, known by e-mail address; or a machine, which stands for an application and never signs in."""

    username = None  # type: ignore[assignment]
    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    email = models.EmailField(_("e-mail address"))
    name = models.CharField(max_length=120, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    language = models.CharField(
        max_length=8, blank=True, default="", db_default="",
        help_text=_("In which pages and mails are written; where empty, pages are in that of the browser."),
    )  # fmt: skip
    browser_language = models.CharField(
        max_length=8, default=settings.LANGUAGE_CODE, db_default=settings.LANGUAGE_CODE, editable=False,
        help_text="In which their browser asked for pages at the last sign-in: that of mails where none is chosen.",
    )  # fmt: skip
    is_machine = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text=_("Stands for an application, and can never sign in."),
    )

    chosen_account = models.ForeignKey(
        Account, on_delete=models.SET_NULL, null=True, editable=False, related_name="+", db_index=False,
        help_text=_("The one that the portal showed last, and shows when they are back."),
    )  # fmt: skip

    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]
    memberships: "RelatedManager[Member]"

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_unique_in_any_case")]

    def __str__(self) -> str:
        return f"{self.name} (machine)" if self.is_machine else self.email

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, and tell the hubs when this person may no longer do anything."""
        with transaction.atomic():
            was_active = bool(self.pk) and User.objects.filter(pk=self.pk, is_active=True).exists()
            super().save(*args, **kwargs)
            if was_active and not self.is_active:
                access_ended.send(User, user=self, account=None, by=Actor.system("user saved"), now=timezone.now())
                authority_changed.send(User, scope="owner", subject=str(self.pk))

    def set_password(self, raw_password: str | None) -> None:
        if self.is_machine and raw_password is not None:
            raise ValidationError(gettext("A machine has no password: its application has a secret instead."))
        super().set_password(raw_password)

    def disable(self, *, by: Actor, now: datetime) -> bool:
        """Stop this person and end their tokens for good, at the next request; return False if it was so already."""
        return self._switch(False, Action.USER_DISABLED, by=by, now=now)

    def enable(self, *, by: Actor, now: datetime) -> bool:
        """Let a disabled person in again; the tokens that ended with their access stay ended."""
        return self._switch(True, Action.USER_ENABLED, by=by, now=now)

    def _switch(self, is_active: bool, action: Action, *, by: Actor, now: datetime) -> bool:
        with transaction.atomic():
            if not User.objects.filter(pk=self.pk, is_active=not is_active).update(is_active=is_active):
                return False
            self.is_active = is_active
            Event.record(action, by=by, now=now, subject=self)
            if not is_active:
                access_ended.send(User, user=self, account=None, by=by, now=now)
            authority_changed.send(User, scope="owner", subject=str(self.pk))
        return True

    def change(self, *, by: Actor, now: datetime, **changes: Any) -> bool:
        """Change name, zone, or whether the person is staff; return False if nothing changed."""
        with transaction.atomic():
            stored = User.objects.select_for_update().get(pk=self.pk)
            before = {name: getattr(stored, name) for name, value in changes.items() if getattr(stored, name) != value}
            if not before:
                return False
            after = {name: changes[name] for name in before}
            User.objects.filter(pk=self.pk).update(**after)
            Event.record(Action.USER_CHANGED, by=by, now=now, subject=self, before=before, after=after)
        for name, value in after.items():
            setattr(self, name, value)
        return True

    def get_full_name(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        return self.name.split(" ")[0] if self.name else self.email.split("@")[0]

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.time_zone)

    def note_browser_language(self, language: str) -> None:
        """Remember it for mails, which no browser asks for."""
        if language != self.browser_language:
            self.browser_language = language
            User.objects.filter(pk=self.pk).update(browser_language=language)

    @property
    def mail_language(self) -> str:
        return self.language or self.browser_language

    def in_own_language(self) -> AbstractContextManager[None]:
        """Return what has mails to this person written in their language, whoever causes them."""
        return translation.override(self.mail_language)
