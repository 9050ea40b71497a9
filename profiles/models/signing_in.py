"""How a server wants to be signed in at: the part of Server that says so."""

import re
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models, transaction

from profiles.encryption import Secret
from profiles.events import Action, Actor, Event
from profiles.signals import authority_changed

if TYPE_CHECKING:
    from profiles.models.people import Account

TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,80}")  # RFC 9110 section 5.6.2
# What the hub itself writes, or what belongs to the connection.
OURS = frozenset(
    ("accept", "connection", "content-length", "content-type", "expect", "host", "keep-alive", "last-event-id",
     "te", "trailer", "transfer-encoding", "upgrade", "user-agent")
)  # fmt: skip


def refuse_bad_header_name(name: str) -> None:
    """Raise ValidationError for what is no header's name, or the name of one that Nexus writes itself."""
    if not TOKEN.fullmatch(name):
        raise ValidationError({"header_name": "Write the name of the header, as in X-Api-Key."})
    if name.lower() in OURS or name.lower().startswith(("mcp-", "proxy-")):
        raise ValidationError({"header_name": f"“{name}” is a header that Nexus writes itself. Use another."})


class SignsIn(models.Model):
    """How Nexus signs in at the server, and how it is registered there if somebody has done that by hand."""

    if TYPE_CHECKING:  # of the server
        id: uuid.UUID
        account: Account | None
        transport: str

    class Authentication(models.TextChoices):
        NONE = "none", "not at all"
        HEADER = "header", "with a header or API key"
        BEARER = "bearer", "with a bearer token"
        OAUTH = "oauth", "with OAuth, in the browser"

    authentication = models.CharField(
        max_length=8, choices=Authentication.choices, default=Authentication.NONE, db_default=Authentication.NONE
    )
    header_name = models.CharField(
        max_length=80, blank=True, default="", db_default="", help_text="That carries the key."
    )
    oauth_scopes = models.CharField(
        max_length=1000,
        blank=True,
        default="",
        db_default="",
        help_text="Asked for, by spaces; empty for what the server names.",
    )
    oauth_client_id = models.CharField(
        max_length=500, blank=True, default="", db_default="", help_text="Where Nexus was registered by hand."
    )
    encrypted_oauth_client_secret = models.TextField(blank=True, default="", db_default="", editable=False)
    oauth_client_secret = Secret("encrypted_oauth_client_secret")

    class Meta:
        abstract = True

    @property
    def wants_sign_in(self) -> bool:
        return self.authentication != self.Authentication.NONE

    @property
    def wanted_scopes(self) -> frozenset[str]:
        return frozenset(self.oauth_scopes.split())

    def sign_in_by(
        self,
        authentication: str,
        *,
        by: Actor,
        now: datetime,
        header_name: str = "",
        oauth_scopes: str = "",
        oauth_client_id: str = "",
        client_secret: str = "",
    ) -> bool:
        """Choose how Nexus signs in, from the next call on; return False if it is so already.

        An empty client secret keeps the one that is stored, as long as the client id stays. Raise ValidationError.
        """
        kinds = self.Authentication
        wanted = {
            "authentication": authentication,
            "header_name": header_name if authentication == kinds.HEADER else "",
            "oauth_scopes": " ".join(oauth_scopes.split()) if authentication == kinds.OAUTH else "",
            "oauth_client_id": oauth_client_id if authentication == kinds.OAUTH else "",
        }
        if authentication == kinds.HEADER:
            refuse_bad_header_name(header_name)
        if authentication != kinds.NONE and self.transport == "stdio":
            raise ValidationError({"authentication": "A program on this machine is not signed in at."})
        with transaction.atomic():
            stored = type(self)._default_manager.select_for_update().get(pk=self.pk)
            before = {name: getattr(stored, name) for name in wanted if getattr(stored, name) != wanted[name]}
            stored._keep_or_take(client_secret, is_other_client="oauth_client_id" in before)
            if not before and stored.encrypted_oauth_client_secret == self.encrypted_oauth_client_secret:
                return False
            changes: dict[str, Any] = {
                **{name: wanted[name] for name in before},
                "encrypted_oauth_client_secret": stored.encrypted_oauth_client_secret,
            }
            type(self)._default_manager.filter(pk=self.pk).update(**changes)
            self._note_sign_in(by, now, before, {name: wanted[name] for name in before})
        self.__dict__.update(changes)
        return True

    def _keep_or_take(self, client_secret: str, *, is_other_client: bool) -> None:
        if is_other_client or client_secret:
            self.oauth_client_secret = client_secret

    def _note_sign_in(self, by: Actor, now: datetime, before: dict[str, Any], after: dict[str, Any]) -> None:
        after = after or {"client secret": "replaced"}
        Event.record(
            Action.SERVER_CHANGED, by=by, now=now, account=self.account, subject=self, before=before, after=after
        )
        authority_changed.send(type(self), scope="server", subject=str(self.pk))
