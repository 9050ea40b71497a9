from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from tokens import webhooks


class Command(BaseCommand):
    help = "Send the webhooks that are due, as the worker does."

    def handle(self, *args: Any, **options: Any) -> None:
        attempts = webhooks.send_due(clock=timezone.now)
        self.stdout.write(f"{attempts} message{'' if attempts == 1 else 's'} sent or tried.")
