"""The six models of django-oauth-toolkit, swapped here so that no table has a column for a usable secret."""

import hashlib
from typing import Any

from django.db import models
from django.db.models import Q
from oauth2_provider.models import (
    AbstractAccessToken,
    AbstractApplication,
    AbstractDeviceGrant,
    AbstractGrant,
    AbstractIDToken,
    AbstractRefreshToken,
)


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


class Application(AbstractApplication):
    class Meta(AbstractApplication.Meta):
        constraints = [
            models.CheckConstraint(condition=Q(hash_client_secret=True), name="application_secret_is_hashed")
        ]


class Grant(AbstractGrant):
    code = DigestField(unique=True)


class AccessToken(HashedOnly, AbstractAccessToken):
    class Meta(AbstractAccessToken.Meta):
        pass


class RefreshToken(HashedOnly, AbstractRefreshToken):
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
