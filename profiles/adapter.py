from contextlib import nullcontext
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.internal.stagekit import clear_login
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from profiles import confirmation, encryption, invited
from profiles.events import Action, Actor, Event
from profiles.models import Account, User
from profiles.models.people import MACHINE_DOMAIN


class PeopleOnly(AuthenticationBackend):
    """Signs in people, never a machine; a session of one, however it came to be, is nobody's."""

    def user_can_authenticate(self, user: User) -> bool:
        return not user.is_machine and bool(super().user_can_authenticate(user))


class AccountAdapter(DefaultAccountAdapter):
    """What sign-in and sign-up do differently here."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Let whoever holds an invitation in too; the form is then for the invited address alone."""
        return settings.NEXUS_SIGN_UP == "open" or invited.to(request, now=timezone.now()) is not None

    def unstash_verified_email(self, request: HttpRequest) -> str | None:
        """Return the invited address: the link was mailed there, so it needs no code."""
        found = invited.to(request, now=timezone.now())
        return found.email if found else None

    def is_email_verified(self, request: HttpRequest, email: str) -> bool:
        return (self.unstash_verified_email(request) or "").lower() == email.lower()

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        with transaction.atomic():
            user.email = form.cleaned_data["email"].lower()
            saved: User = super().save_user(request, user, form, commit=commit)
            if commit:
                Account.objects.open_personal(saved)
        return saved

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        if user.is_machine:
            clear_login(request)
            return self.respond_user_inactive(request, user)
        response: HttpResponse | None = super().pre_login(request, user, **kwargs)
        return response

    def is_reauthentication_required(self, *, app: str) -> bool:
        """Ask our own question; allauth then asks its own, which passes whoever has nothing to show."""
        return not confirmation.is_fully_confirmed(self.request)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send no mail to a machine, and one to a person in their language, whoever asks on the sign-in pages.

        Of who has never signed in nothing is known but the browser that asks.
        """
        if email.lower().endswith(f"@{MACHINE_DOMAIN}"):
            return
        reader = User.objects.filter(email__iexact=email).exclude(language="", last_login=None).first()
        with reader.in_own_language() if reader else nullcontext():
            super().send_mail(template_prefix, email, context)

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Note a wrong password of somebody who is known; strangers' guesses are limited, not stored."""
        super().authentication_failed(request, **credentials)
        user = User.objects.filter(email__iexact=credentials.get("email") or "").first()
        if user:
            by, now = Actor.from_request(request), timezone.now()
            Event.record(Action.SIGN_IN_FAILED, by=by, now=now, subject=user, after={"method": "password"})

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("settings_security")

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Return the link under the address that the operator set, whatever host the request named."""
        return settings.NEXUS_BASE_URL + urlsplit(super().get_reset_password_from_key_url(key)).path


class FactorsAdapter(DefaultMFAAdapter):
    """How allauth keeps second factors here: what can be read again is encrypted, passkeys belong to our own host."""

    PLACE = "allauth.mfa"

    def encrypt(self, text: str) -> str:
        return encryption.encrypt(text, self.PLACE)

    def decrypt(self, encrypted_text: str) -> str:
        return encryption.decrypt(encrypted_text, self.PLACE)

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Return the host that the operator set, whatever host the request named."""
        return {"id": urlsplit(settings.NEXUS_BASE_URL).hostname or "", "name": "Nexus"}
