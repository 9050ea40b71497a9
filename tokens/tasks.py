from celery import shared_task

from tokens import emails, jobs
from tokens.models import DelegatedToken, JobRun


@shared_task
def sweep_tokens() -> str:
    return str(JobRun.objects.run("sweep-tokens", jobs.sweep, by="worker"))


@shared_task
def send_reminders() -> str:
    return str(JobRun.objects.run("send-reminders", jobs.remind, by="worker"))


@shared_task(autoretry_for=(OSError,), retry_backoff=30, max_retries=8)
def mail_revoked(token_id: int, by: str) -> None:
    if token := DelegatedToken.objects.select_related("owner", "toolkit").filter(pk=token_id).first():
        emails.revoked(token, by)
