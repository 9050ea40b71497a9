from celery import shared_task
from django.utils import timezone

from activity import partitions


@shared_task
def make_partitions() -> list[str]:
    return partitions.make(timezone.now())
