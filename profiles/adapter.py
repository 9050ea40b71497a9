from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest

from profiles.models import Account, User


class AccountAdapter(DefaultAccountAdapter):
    """What sign-in and sign-up do differently here."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return bool(settings.NEXUS_SIGN_UP == "open")

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        with transaction.atomic():
            user.email = form.cleaned_data["email"].lower()
            saved: User = super().save_user(request, user, form, commit=commit)
            if commit:
                Account.objects.open_personal(saved)
        return saved
