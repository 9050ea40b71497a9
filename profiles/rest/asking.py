"""Who asks, at which moment, and what they have to have shown."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django.http import Http404
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from profiles import confirmation
from profiles.access import current_account, signed_in
from profiles.events import Actor
from profiles.models import Account, User
from profiles.permissions import Act
from profiles.rest.problems import InsufficientScope, NeedsPerson


class Key(Protocol):
    """What a management key says to the API; who asks by session has none, and any scope."""

    public_id: str

    def allows(self, scope: str) -> bool: ...

    def actor(self, request: Any) -> Actor: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as acts see it."""

    request: Request
    now: datetime

    @property
    def user(self) -> User:
        return signed_in(self.request._request)

    @property
    def key(self) -> Key | None:
        """Return the management key that asks, if one does."""
        found: Key | None = self.request.auth
        return found

    @property
    def by(self) -> Actor:
        return self.key.actor(self.request._request) if self.key else Actor.from_request(self.request._request)

    @property
    def name(self) -> str:
        """Return what limits and idempotency keys go by."""
        return f"key:{self.key.public_id}" if self.key else f"user:{self.user.pk}"

    def refuse_without(self, scope: str) -> None:
        """Raise InsufficientScope for a key that was made for other things."""
        if self.key and not self.key.allows(scope):
            raise InsufficientScope(scope)

    def refuse_unconfirmed(self, path: str, *, with_scope: str = "") -> None:
        """Raise NeedsPerson unless a person asks who has just confirmed who they are, or a key made for just this."""
        if self.key:
            if with_scope and self.key.allows(with_scope):
                return
            raise NeedsPerson("Only a person may do this. They do it in the portal.", path)
        if not confirmation.is_confirmed(self.request._request):
            raise NeedsPerson("Confirm who you are, then send this again within 10 minutes.", "/accounts/confirm/")

    def account(self, account_id: uuid.UUID | None = None) -> Account:
        """Return the account that is named, if the person is a member; without a name, the current one."""
        if account_id is None:
            return current_account(self.request._request)
        found = Account.objects.of(self.user).filter(pk=account_id).first()
        if found is None:
            raise Http404
        return found

    def account_where(self, act: Act, account_id: uuid.UUID | None = None) -> Account:
        """Return the account if the person may do the act to everything there."""
        account = self.account(account_id)
        self.refuse_unless(account, act)
        return account

    def refuse_unless(self, account: Account, act: Act) -> None:
        if not account.lets(self.user, act):
            raise PermissionDenied(f"Your role in “{account}” does not allow this: {act.value}.")
