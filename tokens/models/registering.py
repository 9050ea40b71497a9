"""Applications that register themselves (RFC 7591) or have a document; who never comes back is forgotten."""

import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q

from profiles.events import Action, Actor, Event
from tokens.models.connections import Connection

if TYPE_CHECKING:
    from tokens.models.applications import Application
    from tokens.oauth.client_metadata import ClientMetadata

MOST_UNCONNECTED = 10_000  # registered by strangers; what is above has to wait until the sweep has made room
UNCONNECTED_LIFE = timedelta(days=1)
UNUSED_LIFE = timedelta(days=90)
AT_ONCE = 500  # rows of a sweep's transaction
MOST_WRITTEN = 200  # characters of an address: events stay, and strangers write these


class SelfRegistered(models.QuerySet["Application"]):
    def self_registered(self) -> Self:
        return self.exclude(registration_source="manual")

    def never_connected(self) -> Self:
        return self.filter(~Exists(Connection.objects.filter(application=OuterRef("pk"))))

    def abandoned(self, now: datetime) -> Self:
        """Return the self-registered that nobody ever agreed to, and those long disconnected."""
        of_it = Connection.objects.filter(application=OuterRef("pk"))
        since = now - UNUSED_LIFE
        still = of_it.filter(Q(revoked_at=None) | Q(revoked_at__gt=since) | Q(last_used_at__gt=since))
        never = Q(~Exists(of_it), created__lt=now - UNCONNECTED_LIFE)
        long_ago = Q(~Exists(still), Exists(of_it)) & (Q(last_used_at=None) | Q(last_used_at__lt=since))
        return self.self_registered().filter(disabled_at=None).filter(never | long_ago)

    def sweep_abandoned(self, now: datetime) -> int:
        """Remove them, with what is left of their connections; return how many."""
        removed = 0
        while ids := list(self.abandoned(now).order_by("pk").values_list("pk", flat=True)[:AT_ONCE]):
            _, of_each = self.filter(pk__in=ids).delete()
            removed += of_each.get(self.model._meta.label, 0)
        return removed

    def has_room(self) -> bool:
        """Return False where strangers have registered as many as are kept without anybody's consent."""
        unconnected = self.self_registered().never_connected()
        return len(unconnected.values_list("pk", flat=True)[:MOST_UNCONNECTED]) < MOST_UNCONNECTED


class SelfRegistration(models.Manager["Application"]):
    def register_by_itself(self, metadata: "ClientMetadata", *, by: Actor, now: datetime) -> tuple["Application", str]:
        """Register a client by itself; return it with its secret, which nobody can read again, "" if it is public."""
        secret = "" if metadata.is_public else secrets.token_urlsafe(36)
        application = self.model(
            name=metadata.name,
            registration_source=self.model.RegistrationSource.DCR,
            client_type=self.model.CLIENT_PUBLIC if metadata.is_public else self.model.CLIENT_CONFIDENTIAL,
            authorization_grant_type=self.model.GRANT_AUTHORIZATION_CODE,
            redirect_uris=" ".join(metadata.redirect_uris),
            client_uri=metadata.client_uri,
            secret_last_four=secret[-4:],
        )
        if secret:
            application.client_secret = secret
        with transaction.atomic():
            application.save(force_insert=True)
            note_registered(application, by=by, now=now)
        return application, secret


def note_registered(application: "Application", *, by: Actor, now: datetime) -> None:
    """Write that somebody out there registered, and where it wants its answers."""
    written = [uri[:MOST_WRITTEN] for uri in application.redirect_uris.split()]
    after = {"client_id": application.client_id, "redirect_uris": written}
    Event.record(Action.APPLICATION_REGISTERED, by=by, now=now, subject=application, after=after)
