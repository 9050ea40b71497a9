from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from profiles import operator
from tokens import tasks
from tokens.models import DelegatedToken


class Command(BaseCommand):
    help = (
        "End the tokens whose time has come, and write their events; delete OAuth codes, tokens and sessions long over."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with operator.one_line_refusals():
            swept = DelegatedToken.objects.all().sweep(timezone.now())
            deleted = tasks.sweep_oauth()
            removed = tasks.sweep_registrations()
        self.stdout.write(f"Tokens ended: {swept}")
        if deleted:
            self.stdout.write(f"OAuth codes, tokens and sessions deleted: {deleted}")
        if removed:
            self.stdout.write(f"Registrations removed: {removed}")
