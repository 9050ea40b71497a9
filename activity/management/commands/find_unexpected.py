from typing import Any

from django.core.management.base import BaseCommand
from django.utils.text import capfirst

from activity.unexpected import looking
from profiles import operator
from tokens.models import JobRun


class Command(BaseCommand):
    help = "Look at what tokens did since the last time, and tell their owners of use that nobody expects."

    def handle(self, *args: Any, **options: Any) -> None:
        with operator.one_line_refusals():
            looked = JobRun.objects.run("find-unexpected", looking.look, by="operator (find_unexpected)")
        self.stdout.write(capfirst(str(looked)))
