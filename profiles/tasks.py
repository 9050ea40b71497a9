from celery import shared_task

from profiles import emails
from profiles.models import User


@shared_task(autoretry_for=(OSError,), retry_backoff=30, max_retries=8)
def mail_removed(user_id: int, account: str, by: str, reason: str) -> None:
    if user := User.objects.filter(pk=user_id, is_machine=False, is_active=True).first():
        emails.removed(user, account, by, reason)
