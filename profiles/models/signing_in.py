"""How a server wants to be signed in at: the part of Server that says so."""

import re
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles.encryption import Secret
from profiles.events import Action, Actor, Event
from profiles.signals import authority_changed

if TYPE_CHECKING:
    from profiles.models.accounts import Account

TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,80}")  # RFC 9110 section 5.6.2
# What the hub itself writes, or what belongs to the connection.
OURS = frozenset(
    ("accept", "connection", "content-length", "content-type", "expect", "host", "keep-alive", "last-event-id",
     "te", "trailer", "transfer-encoding", "upgrade", "user-agent")
)  # fmt: skip


def refuse_bad_header_name(name: str) -> None:
    """Raise ValidationError for what is no header's name, or the name of one that Nexus writes itself."""
    if not TOKEN.fullmatch(name):
        raise ValidationError({"header_name": gettext("Write the name of the header, as in X-Api-Key.")})
    if name.lower() in OURS or name.lower().startswith(("mcp-", "proxy-")):
        raise ValidationError(
            {"header_name": gettext("“%(name)s” is a header that Nexus writes itself. Use another.") % {"name": name}}
        )


class SignsIn(models.Model):
    """How Nexus signs in at the server, and how it is registered there if somebody has done that by hand."""

    if TYPE_CHECKING:  # of the server
        id: uuid.UUID
        account: Account | None
        transport: str

    class Authentication(models.TextChoices):
        NONE = "none", _("not at all")
        HEADER = "header", _("with a header or API key")
        BEARER = "bearer", _("with a bearer token")
        OAUTH = "oauth", _("with OAuth, in the browser")

    authentication = models.CharField(
        max_length=8, choices=Authentication.choices, default=Authentication.NONE, db_default=Authentication.NONE
    )
    header_name = models.CharField(
        max_length=80, blank=True, default="", db_default="", help_text=_("That carries the key.")
    )
    oauth_scopes = models.CharField(
        max_length=1000,
        blank=True,
        default="",
        db_default="",
        help_text=_("Asked for, by spaces; empty for what the server names."),
    )
    oauth_client_id = models.CharField(
        max_length=500, blank=True, default="", db_default="", help_text=_("Where Nexus was registered by hand.")
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
        wanted = self._wanted(authentication, header_name, oauth_scopes, oauth_client_id)
        client_secret = client_secret if wanted["oauth_client_id"] else ""
        with transaction.atomic():
            stored = type(self)._default_manager.select_for_update().get(pk=self.pk)
            before = {name: getattr(stored, name) for name in wanted if getattr(stored, name) != wanted[name]}
            changes = {name: wanted[name] for name in before}
            if client_secret or "oauth_client_id" in before:
                stored.oauth_client_secret = client_secret
                changes["encrypted_oauth_client_secret"] = stored.encrypted_oauth_client_secret
            if not changes:
                return False
            type(self)._default_manager.filter(pk=self.pk).update(**changes)
            self._note_sign_in(by, now, before, {name: wanted[name] for name in before})
        self.__dict__.update(changes)
        return True

    def _wanted(self, authentication: str, header_name: str, scopes: str, client_id: str) -> dict[str, str]:
        """Return the fields as they are to be: what another way to sign in needs is left out."""
        kinds = self.Authentication
        if authentication == kinds.HEADER:
            refuse_bad_header_name(header_name)
        if authentication != kinds.NONE and self.transport == "stdio":
            raise ValidationError({"authentication": gettext("A program on this machine is not signed in at.")})
        is_oauth = authentication == kinds.OAUTH
        return {
            "authentication": authentication,
            "header_name": header_name if authentication == kinds.HEADER else "",
            "oauth_scopes": " ".join(scopes.split()) if is_oauth else "",
            "oauth_client_id": client_id if is_oauth else "",
        }

    def _note_sign_in(self, by: Actor, now: datetime, before: dict[str, Any], after: dict[str, Any]) -> None:
        after = after or {"client secret": "replaced"}
        Event.record(
            Action.SERVER_CHANGED, by=by, now=now, account=self.account, subject=self, before=before, after=after
        )
        authority_changed.send(type(self), scope="server", subject=str(self.pk))
