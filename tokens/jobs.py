"""The periodic jobs, as the worker and the commands run them."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from profiles.models import Attempts
from tokens import reminding, webhooks
from tokens.models import (
    AccessToken,
    Application,
    Authority,
    DelegatedToken,
    Grant,
    ManagementKey,
    OAuthSession,
    WebhookDelivery,
    unused,
)


@dataclass(frozen=True, slots=True)
class Swept:
    ended: int
    paused: int

    def __str__(self) -> str:
        return f"tokens ended: {self.ended}, paused because unused: {self.paused}"


@dataclass(frozen=True, slots=True)
class SweptOAuth:
    deleted: int
    forgotten: int

    def __str__(self) -> str:
        return f"OAuth codes, tokens and sessions deleted: {self.deleted}, clients forgotten: {self.forgotten}"


def sweep(now: datetime) -> Swept:
    """End what is over, pause what nothing uses; forget changes that every hub has heard of, and old attempts."""
    Authority.objects.forget_old_changes(now)
    ManagementKey.objects.all().sweep(now)
    Attempts.objects.sweep(now)
    return Swept(ended=DelegatedToken.objects.all().sweep(now), paused=unused.pause_unused(now))


def sweep_oauth(now: datetime) -> SweptOAuth:
    """Delete codes, tokens and sessions that are long over, and clients that registered themselves for nothing."""
    deleted = sum(rows.sweep(now) for rows in (Grant.objects, AccessToken.objects, OAuthSession.objects))
    return SweptOAuth(deleted, Application.objects.all().sweep_abandoned(now))


def deliver(now: datetime) -> str:
    return f"webhook messages sent or tried: {webhooks.send_due(clock=timezone.now)}"


def forget_deliveries(now: datetime) -> str:
    return f"webhook messages forgotten: {WebhookDelivery.objects.all().forget_old(now)}"


def remind(now: datetime) -> reminding.Done:
    return reminding.send_due(now)
