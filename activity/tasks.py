from celery import shared_task

from activity import keeping, lost, partitions
from activity.unexpected import looking
from tokens.models import JobRun


@shared_task
def make_partitions() -> list[str]:
    made: list[str] = JobRun.objects.run("make-partitions", partitions.make, by="worker")
    return made


@shared_task
def find_unexpected() -> str:
    return str(JobRun.objects.run("find-unexpected", looking.look, by="worker"))


@shared_task
def end_lost_calls() -> str:
    return str(JobRun.objects.run("end-lost-calls", lost.end_lost, by="worker"))


@shared_task
def forget_calls() -> str:
    return str(JobRun.objects.run("forget-calls", keeping.forget, by="worker"))
