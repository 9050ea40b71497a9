"""How codes and refresh tokens are spent, once each, and access tokens made. Managers of the tables in oauth.py."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.db.models import Q

from profiles.events import Action, Actor
from tokens import keys
from tokens.models.connections import ACCESS_LIFE, REFRESH_LIFE, SWEEP_BATCH, OAuthSession, Refused

if TYPE_CHECKING:
    from tokens.models.applications import Application
    from tokens.models.oauth import AccessToken, Grant, RefreshToken

GRANTS_KEPT = ACCESS_TOKENS_KEPT = timedelta(days=1)  # after their end


class GrantManager(models.Manager["Grant"]):
    def is_known(self, code: str, application: "Application") -> bool:
        return self.filter(code=code, application=application).exists()

    def spend(self, code: str, application: "Application", *, by: Actor, now: datetime) -> "Grant | Refused":
        """Return the client's grant with this code, which is spent from now on, whatever else is wrong with it.

        A code that comes again ends the session it began (RFC 6749 section 4.1.2). Another client's attempt changes
        nothing: whoever has merely seen a code ends nobody's session with it. Call it inside a transaction.
        """
        grant = self.select_for_update().filter(code=code, application=application).first()
        if grant is None:
            return Refused.CODE_UNKNOWN
        if not self.filter(pk=grant.pk, used_at=None).update(used_at=now):
            if grant.session:
                grant.session.end(by=by, action=Action.CODE_REUSED, now=now)
            return Refused.CODE_USED
        grant.used_at = now
        return grant

    def sweep(self, now: datetime) -> int:
        before = now - GRANTS_KEPT
        return delete_in_batches(self.filter(Q(expires__lt=before) | Q(used_at__lt=before)))


class AccessTokenManager(models.Manager["AccessToken"]):
    def issue(
        self, session: OAuthSession, *, scope: str, resource: list[str], now: datetime
    ) -> "tuple[AccessToken, keys.Key]":
        """Issue an access token of an hour, or up to the end of the session."""
        key = keys.make(keys.Kind.ACCESS, session.connection.public_id)
        token = self.create(
            token_checksum=key.digest, session=session, user_id=session.connection.owner_id, scope=scope,
            application_id=session.connection.application_id, expires=min(now + ACCESS_LIFE, session.ends_at),
            resource=resource,
        )  # fmt: skip
        return token, key

    def sweep(self, now: datetime) -> int:
        """Delete those long over, except where a refresh token still goes by their scope."""
        return delete_in_batches(self.filter(expires__lt=now - ACCESS_TOKENS_KEPT, refresh_token=None))


class RefreshTokenManager(models.Manager["RefreshToken"]):
    def is_known(self, text: str, application: "Application") -> bool:
        if keys.kind_of(text) is not keys.Kind.REFRESH:
            return False
        return self.filter(token_checksum=keys.digest(text), application=application).exists()

    def find(self, text: str, application: "Application", *, by: Actor, now: datetime) -> "RefreshToken | Refused":
        """Return the client's refresh token, locked, if it may be used; call it inside a transaction.

        One that was spent ends its session (RFC 9700 section 4.14.2): of a thief and the client, one comes second.
        """
        token = self.select_for_update().filter(token_checksum=keys.digest(text), application=application).first()
        if token is None:
            return Refused.REFRESH_UNKNOWN
        token.session = OAuthSession.objects.with_connection().get(pk=token.session_id)
        if token.revoked:
            token.session.end(by=by, action=Action.REFRESH_REUSED, now=now)
            return Refused.REFRESH_USED
        if refused := token.session.refusal(now):
            return refused
        return Refused.REFRESH_EXPIRED if token.expires_at <= now else token

    def issue(self, session: OAuthSession, signed_in: "AccessToken", *, now: datetime) -> keys.Key:
        """Issue a refresh token that goes by the scope of the access token that the sign-in gave."""
        key = keys.make(keys.Kind.REFRESH, session.connection.public_id)
        self.create(
            token_checksum=key.digest, session=session, user_id=session.connection.owner_id, access_token=signed_in,
            application_id=session.connection.application_id, expires_at=min(now + REFRESH_LIFE, session.ends_at),
            resource=signed_in.resource,
        )  # fmt: skip
        return key


def delete_in_batches(rows: "models.QuerySet[Any]") -> int:
    deleted = 0
    while batch := list(rows.order_by("pk").values_list("pk", flat=True)[:SWEEP_BATCH]):
        with transaction.atomic():
            rows.model._default_manager.filter(pk__in=batch).delete()
        deleted += len(batch)
    return deleted
