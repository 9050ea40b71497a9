"""The six models of django-oauth-toolkit, swapped here so that no table has a column for a usable secret."""

import hashlib
from typing import Any, ClassVar

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

from profiles.models import Account, User
from tokens.models.connections import Connection, OAuthSession
from tokens.models.registering import ApplicationManager
from tokens.oauth.client_metadata import objection_to


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
    """An OAuth client: made in the portal for an account, or registered by itself (RFC 7591, or by its document).

    `user` is who made it. One of client credentials acts as a user of its own, its machine.
    """

    account = models.ForeignKey(Account, null=True, blank=True, on_delete=models.CASCADE, related_name="applications")
    may_exchange = models.BooleanField("token exchange", default=False, help_text="May exchange tokens (RFC 8693).")
    machine = models.OneToOneField(User, null=True, blank=True, on_delete=models.CASCADE, related_name="application")
    client_uri = models.URLField(max_length=300, blank=True)
    secret_last_four = models.CharField(max_length=4, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[ApplicationManager] = ApplicationManager()

    class Meta(AbstractApplication.Meta):
        constraints = [
            models.CheckConstraint(condition=Q(hash_client_secret=True), name="application_secret_is_hashed"),
            models.CheckConstraint(
                condition=Q(registration_source="manual", account__isnull=False)
                | (~Q(registration_source="manual") & Q(account=None, machine=None, may_exchange=False)),
                name="application_of_an_account_is_made_by_hand",
            ),
            models.CheckConstraint(
                condition=Q(machine=None) | Q(authorization_grant_type="client-credentials"),
                name="application_machine_uses_client_credentials",
            ),
        ]

    def is_usable(self, request: Any) -> bool:
        return self.disabled_at is None

    def get_allowed_schemes(self) -> list[str]:
        """Return the schemes of its redirect URIs, but for those that nobody may register."""
        return [uri.partition(":")[0] for uri in self.redirect_uris.split() if not objection_to(uri)]


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
