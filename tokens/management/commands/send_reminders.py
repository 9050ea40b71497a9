from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from profiles import operator
from tokens.models import Reminder


class Command(BaseCommand):
    help = "Send the reminders that are due, each once however often this runs."

    def handle(self, *args: Any, **options: Any) -> None:
        with operator.one_line_refusals():
            sent = Reminder.objects.send_due(now=timezone.now())
        self.stdout.write(f"Reminders sent: {sent}")
