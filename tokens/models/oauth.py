"""The models of django-oauth-toolkit, swapped here so that no table has a column for a usable secret.

The sixth, Application, has a file of its own.
"""

import base64
import hashlib
import hmac
import re
from datetime import datetime
from typing import Any, ClassVar

from django.db import models
from oauth2_provider.models import (
    AbstractAccessToken,
    AbstractDeviceGrant,
    AbstractGrant,
    AbstractIDToken,
    AbstractRefreshToken,
)

from profiles.events import Actor
from tokens import keys
from tokens.models.connections import Connection, OAuthSession, Refused
from tokens.models.granting import AccessTokenManager, GrantManager, RefreshTokenManager

VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636 section 4.1


class DigestField(models.CharField):  # type: ignore[type-arg]
    """Stores the SHA-256 of what is assigned; look-ups hash as well, so the column never sees the secret."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "max_length": 64})

    def get_prep_value(self, value: Any) -> Any:
        return hashlib.sha256(value.encode()).hexdigest() if value else value


class HashedOnly:
    """Takes away the inherited column `token`: a plain attribute of that name, before the abstract model in the
    MRO, makes Django drop the field. What is assigned goes to the checksum field, which hashes and forgets it."""

    _raw_token: str | None

    @property
    def token(self) -> str:
        return ""

    @token.setter
    def token(self, raw: str) -> None:
        if raw:
            self._raw_token = raw


class Grant(AbstractGrant):
    """An authorization code: good once, for a minute. It knows the session it began, which ends if it comes again."""

    code = DigestField(unique=True)
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    session = models.ForeignKey(OAuthSession, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    session_ends_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[GrantManager] = GrantManager()

    def refusal(self, *, verifier: str, redirect_uri: str, now: datetime) -> Refused | None:
        """Return why the code gives nothing, or None. An absent redirect_uri is OAuth 2.1's form of the request."""
        if self.expires <= now:
            return Refused.CODE_EXPIRED
        if redirect_uri and not self.redirect_uri_allowed(redirect_uri):
            return Refused.OTHER_REDIRECT
        if not self.is_proved_by(verifier):
            return Refused.WRONG_VERIFIER
        return self.connection.refusal()

    def is_proved_by(self, verifier: str) -> bool:
        """Check the code verifier (RFC 7636 section 4.6); S256 is the only method."""
        if self.code_challenge_method != self.CODE_CHALLENGE_S256 or not VERIFIER.fullmatch(verifier):
            return False
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        return hmac.compare_digest(digest.rstrip(b"="), self.code_challenge.encode())

    def begin_session(self, *, by: Actor, now: datetime) -> OAuthSession:
        """Begin the session of this sign-in; should the code come again, it is the one to end."""
        session = self.connection.begin_session(ends_at=self.session_ends_at, by=by, now=now)
        Grant.objects.filter(pk=self.pk).update(session=session)
        self.session = session
        return session


class AccessToken(HashedOnly, AbstractAccessToken):
    session = models.ForeignKey(OAuthSession, on_delete=models.CASCADE, related_name="+")

    objects: ClassVar[AccessTokenManager] = AccessTokenManager()

    class Meta(AbstractAccessToken.Meta):
        pass


class RefreshToken(HashedOnly, AbstractRefreshToken):
    """Good once, `revoked` when it is spent. `expires_at` slides with each refresh, up to the end of the session.

    The unspent one of a session holds on to the first access token, whose scope is what the sign-in gave.
    """

    session = models.ForeignKey(OAuthSession, on_delete=models.CASCADE, related_name="+")
    expires_at = models.DateTimeField()

    objects: ClassVar[RefreshTokenManager] = RefreshTokenManager()

    class Meta(AbstractRefreshToken.Meta):
        pass

    @property
    def scopes(self) -> list[str]:
        """Return what a refresh may give: what the sign-in gave, as far as the consent still goes."""
        agreed = self.session.connection.scope.split()
        return [scope for scope in self.access_token.scope.split() if scope in agreed] if self.access_token else []

    def rotate(self, *, now: datetime) -> keys.Key:
        """Spend it and issue the next. The access token that came with it lives on: requests may be under way."""
        signed_in = self.access_token
        assert signed_in, "a refresh without scopes is refused before"
        spent = RefreshToken.objects.filter(pk=self.pk, revoked=None).update(revoked=now, access_token=None)
        assert spent, "find() has locked it"
        return RefreshToken.objects.issue(self.session, signed_in, now=now)


class IDToken(AbstractIDToken):
    class Meta(AbstractIDToken.Meta):
        pass


class DeviceGrant(AbstractDeviceGrant):
    device_code = DigestField()
    user_code = DigestField()

    class Meta(AbstractDeviceGrant.Meta):
        pass
