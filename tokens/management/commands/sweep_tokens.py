from typing import Any

from django.core.management.base import BaseCommand
from django.utils.text import capfirst

from profiles import operator
from tokens import jobs
from tokens.models import JobRun


class Command(BaseCommand):
    help = "End tokens whose time has come (the hub refuses them anyway), pause the unused, forget what is long over."

    def handle(self, *args: Any, **options: Any) -> None:
        with operator.one_line_refusals():
            swept = JobRun.objects.run("sweep-tokens", jobs.sweep, by="operator (sweep_tokens)")
            tidied = JobRun.objects.run("sweep-oauth", jobs.sweep_oauth, by="operator (sweep_tokens)")
        self.stdout.write(capfirst(str(swept)))
        self.stdout.write(str(tidied))
