"""Who asks, at which moment, and what they have to have shown."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, cast

from django.db.models import QuerySet
from django.http import Http404
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from profiles import confirmation
from profiles.access import current_account, signed_in
from profiles.events import Actor
from profiles.models import Account, User
from profiles.permissions import Act
from profiles.rest.problems import NeedsPerson


class Key(Protocol):
    """What a management key says to the API; who asks by session has none."""

    public_id: str
    account: Account

    def effective_scopes(self) -> frozenset[str]: ...


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
        found: Any = self.request.auth
        return cast("Key | None", found)

    @property
    def by(self) -> Actor:
        return Actor.from_request(self.request._request)

    @property
    def name(self) -> str:
        """Return what limits and idempotency keys go by."""
        return f"key:{self.key.public_id}" if self.key else f"user:{self.user.pk}"

    def refuse_unconfirmed(self, path: str, *, with_scope: str = "") -> None:
        """Raise NeedsPerson unless a person asks who has just confirmed who they are, or a key made for just this."""
        if self.key:
            if with_scope not in self.key.effective_scopes():
                raise NeedsPerson("Only a person may do this, in the portal.", path)
        elif not confirmation.is_confirmed(self.request._request):
            raise NeedsPerson("Confirm who you are, then send this again within 10 minutes.", "/accounts/confirm/")

    def here(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return those of the key's account; who asks by session has all of theirs before them."""
        return rows.filter(account=self.key.account) if self.key else rows

    def account(self, account_id: uuid.UUID | None = None) -> Account:
        """Return the account that is named, if it is the key's or the person is a member; else the current one."""
        if account_id is None:
            return current_account(self.request._request)
        found = self.accounts().filter(pk=account_id).first()
        if found is None:
            raise Http404
        return found

    def accounts(self) -> QuerySet[Account]:
        mine = Account.objects.of(self.user)
        return mine.filter(pk=self.key.account.pk) if self.key else mine

    def account_where(self, act: Act, account_id: uuid.UUID | None = None) -> Account:
        """Return the account if the person may do the act to everything there."""
        account = self.account(account_id)
        self.refuse_unless(account, act)
        return account

    def refuse_unless(self, account: Account, act: Act) -> None:
        if not account.lets(self.user, act):
            raise PermissionDenied(f"Your role in “{account}” does not allow this: {act.value}.")
