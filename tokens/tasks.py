from celery import shared_task
from django.utils import timezone

from profiles.events import Action, Event
from profiles.models import User
from tokens import emails, emails_webhooks, jobs, leaks, notifying
from tokens.models import Connection, Counted, DelegatedToken, JobRun, Webhook


@shared_task
def sweep_tokens() -> str:
    return str(JobRun.objects.run("sweep-tokens", jobs.sweep, by="worker"))


@shared_task
def sweep_oauth() -> str:
    return str(JobRun.objects.run("sweep-oauth", jobs.sweep_oauth, by="worker"))


@shared_task
def send_reminders() -> str:
    return str(JobRun.objects.run("send-reminders", jobs.remind, by="worker"))


@shared_task(autoretry_for=(OSError,), retry_backoff=30, max_retries=8)
def mail_revoked(token_id: int, by: str) -> None:
    owned = DelegatedToken.objects.filter(owner__is_machine=False).select_related("owner", "toolkit")
    if token := owned.filter(pk=token_id).first():
        emails.revoked(token, by)


@shared_task(autoretry_for=(OSError,), retry_backoff=30, max_retries=8)
def mail_revoked_together(owner_id: int, token_ids: list[int], tokens: int, connections: int, by: str) -> None:
    if owner := User.objects.filter(pk=owner_id, is_machine=False).first():
        named = DelegatedToken.objects.filter(pk__in=token_ids).select_related("toolkit")
        emails.revoked_together(owner, list(named), Counted(tokens, connections), by)


@shared_task
def revoke_leaked(found: list[tuple[str, str]], address: str) -> int:
    return leaks.revoke(found, address=address, now=timezone.now())


@shared_task(autoretry_for=(OSError,), retry_backoff=30, max_retries=8)
def mail_session_leaked(connection_id: int) -> None:
    related = Connection.objects.filter(owner__is_machine=False).select_related("owner", "application", "toolkit")
    if connection := related.filter(pk=connection_id).first():
        emails.session_leaked(connection)


@shared_task(autoretry_for=(OSError,), retry_backoff=30, max_retries=8)
def mail_reused(token_id: int) -> None:
    token = DelegatedToken.objects.select_related("owner", "toolkit").filter(pk=token_id).first()
    used = Event.objects.filter(action=Action.TOKEN_REUSED, subject_kind="delegatedtoken", subject_id=str(token_id))
    if token and (latest := used.first()):
        emails.reused(token, latest)


@shared_task(autoretry_for=(OSError,), retry_backoff=30, max_retries=8)
def mail_unexpected(token_id: int) -> None:
    people = DelegatedToken.objects.filter(owner__is_machine=False, owner__is_active=True)
    token = people.select_related("owner", "toolkit").filter(pk=token_id).first()
    found = Event.objects.filter(
        action=Action.TOKEN_UNEXPECTED, subject_kind="delegatedtoken", subject_id=str(token_id)
    )
    if token and (latest := found.first()):
        emails.unexpected(token, latest)


@shared_task(autoretry_for=(OSError,), retry_backoff=30, max_retries=8)
def mail_paused(token_ids: list[int]) -> None:
    paused = DelegatedToken.objects.filter(pk__in=token_ids, owner__is_active=True).exclude(paused_at=None)
    emails.paused([token for token in paused.select_related("owner", "toolkit") if notifying.is_mailed(token)])


@shared_task
def send_webhooks() -> str:
    return str(JobRun.objects.run("send-webhooks", jobs.deliver, by="worker"))


@shared_task
def forget_old_deliveries() -> str:
    return str(JobRun.objects.run("forget-old-deliveries", jobs.forget_deliveries, by="worker"))


@shared_task(autoretry_for=(OSError,), retry_backoff=30, max_retries=8)
def mail_webhook_off(webhook_id: str) -> None:
    if webhook := Webhook.objects.filter(pk=webhook_id, is_enabled=False).select_related("account").first():
        emails_webhooks.switched_off(webhook)
