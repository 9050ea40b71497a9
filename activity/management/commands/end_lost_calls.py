from typing import Any

from django.core.management.base import BaseCommand
from django.utils.text import capfirst

from activity import lost
from profiles import operator
from tokens.models import JobRun


class Command(BaseCommand):
    help = "End the calls under way of hub processes that were killed, as the worker does every minute."

    def handle(self, *args: Any, **options: Any) -> None:
        with operator.one_line_refusals():
            ended = JobRun.objects.run("end-lost-calls", lost.end_lost, by="operator (end_lost_calls)")
        self.stdout.write(capfirst(ended))
