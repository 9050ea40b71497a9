"""The models of django-oauth-toolkit, swapped here so that no table has a column for a usable secret.

The sixth, Application, has a file of its own.
"""

import hashlib
from typing import Any

from django.db import models
from oauth2_provider.models import (
    AbstractAccessToken,
    AbstractDeviceGrant,
    AbstractGrant,
    AbstractIDToken,
    AbstractRefreshToken,
)

from tokens.models.connections import Connection, OAuthSession


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


class AccessToken(HashedOnly, AbstractAccessToken):
    session = models.ForeignKey(OAuthSession, on_delete=models.CASCADE, related_name="+")

    class Meta(AbstractAccessToken.Meta):
        pass


class RefreshToken(HashedOnly, AbstractRefreshToken):
    """Good once. `expires_at` slides with each refresh, up to the end of the session."""

    session = models.ForeignKey(OAuthSession, on_delete=models.CASCADE, related_name="+")
    expires_at = models.DateTimeField()

    class Meta(AbstractRefreshToken.Meta):
        pass


class IDToken(AbstractIDToken):
    class Meta(AbstractIDToken.Meta):
        pass


class DeviceGrant(AbstractDeviceGrant):
    device_code = DigestField()
    user_code = DigestField()

    class Meta(AbstractDeviceGrant.Meta):
        pass
