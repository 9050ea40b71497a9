from celery import shared_task

from activity import partitions
from tokens.models import JobRun


@shared_task
def make_partitions() -> list[str]:
    made: list[str] = JobRun.objects.run("make-partitions", partitions.make, by="worker")
    return made
