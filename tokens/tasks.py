from celery import shared_task
from django.utils import timezone

from tokens import emails, emails_webhooks, webhooks
from tokens.models import (
    AccessToken,
    Application,
    Authority,
    DelegatedToken,
    Grant,
    OAuthSession,
    Reminder,
    Webhook,
    WebhookDelivery,
)


@shared_task
def sweep_tokens() -> int:
    now = timezone.now()
    Authority.objects.forget_old_changes(now)
    return DelegatedToken.objects.all().sweep(now)


@shared_task
def sweep_registrations() -> int:
    return Application.objects.all().sweep_abandoned(timezone.now())


@shared_task
def sweep_oauth() -> int:
    """Delete codes, access tokens and sessions that are long over; return how many rows."""
    now = timezone.now()
    return sum(rows.sweep(now) for rows in (Grant.objects, AccessToken.objects, OAuthSession.objects))


@shared_task
def send_reminders() -> int:
    return Reminder.objects.send_due(now=timezone.now())


@shared_task(autoretry_for=(OSError,), retry_backoff=30, max_retries=8)
def mail_revoked(token_id: int, by: str) -> None:
    owned = DelegatedToken.objects.filter(owner__is_machine=False).select_related("owner", "toolkit")
    if token := owned.filter(pk=token_id).first():
        emails.revoked(token, by)


@shared_task
def send_webhooks() -> int:
    return webhooks.send_due(clock=timezone.now)


@shared_task
def forget_old_deliveries() -> int:
    return WebhookDelivery.objects.all().forget_old(timezone.now())


@shared_task(autoretry_for=(OSError,), retry_backoff=30, max_retries=8)
def mail_webhook_off(webhook_id: str) -> None:
    if webhook := Webhook.objects.filter(pk=webhook_id, is_enabled=False).select_related("account").first():
        emails_webhooks.switched_off(webhook)
