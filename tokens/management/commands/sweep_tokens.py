from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from profiles import operator
from tokens.models import Application, DelegatedToken


class Command(BaseCommand):
    help = "End the tokens whose time has come, which the hub refuses anyway, and forget clients nobody signed in with."

    def handle(self, *args: Any, **options: Any) -> None:
        with operator.one_line_refusals():
            now = timezone.now()
            swept = DelegatedToken.objects.all().sweep(now)
            removed = Application.objects.all().sweep_abandoned(now)
        self.stdout.write(f"Tokens ended: {swept}")
        self.stdout.write(f"Registrations removed: {removed}")
