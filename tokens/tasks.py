from celery import shared_task
from django.utils import timezone

from tokens import emails, emails_webhooks, webhooks
from tokens.models import Authority, DelegatedToken, Reminder, Webhook, WebhookDelivery


@shared_task
def sweep_tokens() -> int:
    now = timezone.now()
    Authority.objects.forget_old_changes(now)
    return DelegatedToken.objects.all().sweep(now)


@shared_task
def send_reminders() -> int:
    return Reminder.objects.send_due(now=timezone.now())


@shared_task(autoretry_for=(OSError,), retry_backoff=30, max_retries=8)
def mail_revoked(token_id: int, by: str) -> None:
    if token := DelegatedToken.objects.select_related("owner", "toolkit").filter(pk=token_id).first():
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
