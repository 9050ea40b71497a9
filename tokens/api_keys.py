"""Who a management key lets in to the REST API, and how far (RFC 6750).

A view declares its noun; `scopes` may name another scope for a method:

    @api_view(["GET", "POST"])
    def tokens(request): ...

    tokens.cls.noun, tokens.cls.scopes = "tokens", {"POST": "tokens:issue"}

A key is refused where nothing is declared. Its account is the one that current_account() returns, and
Actor.from_request() returns the key.
"""

from typing import Any

from django.utils import timezone
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from profiles.models import User
from tokens import keys
from tokens.models import ManagementKey
from tokens.scopes import SAFE_METHODS, scope_of

NOT_VALID = "This key is not valid: it is unknown, expired or revoked. Make one under Settings, Management keys."
OWN = "me"  # the noun that every key may read: whose key it is


class ManagementKeyAuthentication(BaseAuthentication):
    """Takes a management key as bearer: the user is its owner, `request.auth` the key."""

    def authenticate(self, request: Request) -> tuple[User, ManagementKey] | None:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or keys.kind_of(text.strip()) in (keys.Kind.DELEGATED, keys.Kind.ACCESS):
            return None
        if keys.kind_of(text.strip()) is not keys.Kind.MANAGEMENT:
            raise exceptions.AuthenticationFailed(NOT_VALID)
        key, now = ManagementKey.objects.with_secret(text.strip()), timezone.now()
        if key is None:
            raise exceptions.AuthenticationFailed(NOT_VALID)
        address = request.META.get("REMOTE_ADDR", "")
        if key.has_ended(now) or key.role() is None:
            raise exceptions.AuthenticationFailed(f"{key} has ended. Make a new one under Settings, Management keys.")
        if not key.may_come_from(address):
            raise exceptions.PermissionDenied(
                f"{key} may be used from {', '.join(key.networks)} only, and this came from {address}."
            )
        key.note_use(address=address, now=now)
        _act_for(key, request)
        return key.owner, key

    def authenticate_header(self, request: Request) -> str:
        if request.headers.get("Authorization", "").lower().startswith("bearer"):
            return 'Bearer realm="api", error="invalid_token"'
        return 'Bearer realm="api"'


def _act_for(key: ManagementKey, request: Request) -> None:
    """Have what is done in this request be the key's act, in its account."""
    plain: Any = request._request
    plain._account = key.account
    plain._actor = key.actor(
        address=request.META.get("REMOTE_ADDR", ""),
        agent=request.headers.get("User-Agent", ""),
        request_id=request.META.get("nexus.request_id", ""),
    )


class InsufficientScope(exceptions.PermissionDenied):
    def __init__(self, detail: str, scope: str) -> None:
        super().__init__(detail, code="insufficient_scope")
        self.auth_header = f'Bearer realm="api", error="insufficient_scope", scope="{scope}"'


class NeedsScope(BasePermission):
    """Lets a key do what its scopes and its owner's role allow for the noun of the view; a session has all."""

    def has_permission(self, request: Request, view: Any) -> bool:
        key, method = request.auth, request.method or ""
        if not isinstance(key, ManagementKey):
            return True
        noun = getattr(view, "noun", "")
        if noun == OWN and method in SAFE_METHODS:
            return True
        if not noun or noun == OWN:
            raise exceptions.PermissionDenied("A management key may not be used here. Sign in to the portal.")
        scope = getattr(view, "scopes", {}).get(method) or scope_of(noun, method)
        if scope not in key.scopes:
            raise InsufficientScope(f"This needs a key with the scope {scope}; {key} has {_listed(key)}.", scope)
        if scope not in key.effective_scopes():
            raise InsufficientScope(f"{key.owner} may not do this in {key.account}, so neither may their key.", scope)
        return True


def _listed(key: ManagementKey) -> str:
    return ", ".join(key.scopes) or "none"
