"""What webhooks are told: from an event, or a reminder, to one message for each webhook that wants it.

Both are heard in their transaction, so that a message is there exactly when its event is.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.urls import reverse

from profiles.events import Event
from profiles.models import Authorization
from profiles.signals import events_recorded
from tokens import links
from tokens.models import DelegatedToken, Webhook, WebhookDelivery
from tokens.notifying import Notice
from tokens.signals import notices_given

Kind = Webhook.Kind
# Each of these is an event of the same name. The rest is told of by the signal alone.
EVENTS = {Kind.EXPIRED, Kind.REVOKED, Kind.REPLACED, Kind.REUSED, Kind.UNEXPECTED, Kind.PAUSED, Kind.AUTHORIZATION_DIED}
REPEATED = {
    Kind.REUSED,
    Kind.UNEXPECTED,
    Kind.PAUSED,
    Kind.UNUSED,
    Kind.AUTHORIZATION_DIED,
}  # what can happen to one thing more than once


@receiver(post_save, sender=Event)
def tell_of_event(instance: Event, **kwargs: Any) -> None:
    if instance.action not in EVENTS or instance.account_id is None:
        return
    webhooks = Webhook.objects.wanting(instance.action, instance.account_id)
    if not webhooks:
        return
    data = _data_of(instance)
    if data:
        occasion = _occasion(instance.action, instance.subject_id, at=instance.at)
        WebhookDelivery.objects.put_out(webhooks, instance.action, occasion, data, now=instance.at)


@receiver(events_recorded)
def tell_of_events(events: Sequence[Event], **kwargs: Any) -> None:
    told = [event for event in events if event.action in EVENTS and event.account_id]
    listening = Webhook.objects.listening_in({event.account_id for event in told if event.account_id}) if told else {}
    for event in told:
        webhooks = listening.get(event.account_id, []) if event.account_id else []
        if any(event.action in webhook.kinds for webhook in webhooks):
            tell_of_event(event)


@receiver(notices_given)
def tell_of_notices(notices: Sequence[Notice], now: datetime, **kwargs: Any) -> None:
    listening = Webhook.objects.listening_in({notice.token.account_id for notice in notices})
    for notice in notices:
        kind, token, stage = notice.kind.value, notice.token, notice.stage.value
        if not isinstance(token, DelegatedToken):
            continue
        if webhooks := [each for each in listening.get(token.account_id, []) if each.wants(kind, stage)]:
            occasion = _occasion(kind, str(token.pk), stage=stage, at=now)
            WebhookDelivery.objects.put_out(webhooks, kind, occasion, token_data(token) | {"stage": stage}, now=now)


def _occasion(kind: str, subject: str, *, stage: str = "", at: datetime) -> str:
    """Return what makes one happening, so that a webhook hears of it once, however it is told."""
    if kind in REPEATED:
        return f"{kind}:{subject}:{at.isoformat()}"
    return f"{kind}:{subject}:{stage}" if kind == Kind.EXPIRING else f"{kind}:{subject}"


def _data_of(event: Event) -> dict[str, Any]:
    if event.action == Kind.AUTHORIZATION_DIED:
        dead = Authorization.objects.filter(pk=event.subject_id).select_related("server", "account", "owner").first()
        return authorization_data(dead) if dead else {}
    related = DelegatedToken.objects.select_related("account", "toolkit", "owner")
    token = related.filter(pk=event.subject_id).first() if event.subject_id.isdecimal() else None
    if token and event.action == Kind.UNEXPECTED:
        return token_data(token) | {"unexpected": event.reason, "address": event.address}
    return token_data(token) if token else {}


def token_data(token: DelegatedToken) -> dict[str, Any]:
    """Return what a message says of a token: names, moments and links, never a part of the secret."""
    about: dict[str, Any] = {
        "id": token.public_id,
        "name": token.name,
        "owner": token.owner.email,
        "issued_at": _moment(token.issued_at),
        "expires_at": _moment(token.expires_at),
        "ends_at": _moment(token.ends_at),
        "last_used_at": _moment(token.last_used_at),
        "revoked_at": _moment(token.revoked_at),
        "revoke_reason": token.revoke_reason,
    }
    return {
        "account": {"id": str(token.account_id), "name": token.account.name},
        "toolkit": {"id": str(token.toolkit_id), "alias": token.toolkit.alias, "name": token.toolkit.name},
        "token": about,
        "links": links.of(token),
    }


def authorization_data(dead: Authorization) -> dict[str, Any]:
    return {
        "account": {"id": str(dead.account_id), "name": dead.account.name},
        "authorization": {"id": str(dead.pk), "owner": dead.owner.email, "dead_since": _moment(dead.dead_since)},
        "server": {"id": str(dead.server_id), "slug": dead.server.slug, "name": dead.server.name},
        "links": {"authorization": _address("authorization", str(dead.pk))},
    }


def _moment(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None


def _address(view: str, name: str) -> str:
    return settings.NEXUS_BASE_URL + reverse(view, args=[name])
