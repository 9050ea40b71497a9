from typing import Any

from django.core.management.base import BaseCommand
from django.utils.text import capfirst

from profiles import operator
from tokens import jobs
from tokens.models import JobRun


class Command(BaseCommand):
    help = "Send the reminders that are due, each once however often this runs."

    def handle(self, *args: Any, **options: Any) -> None:
        with operator.one_line_refusals():
            done = JobRun.objects.run("send-reminders", jobs.remind, by="operator (send_reminders)")
        self.stdout.write(capfirst(str(done)))
