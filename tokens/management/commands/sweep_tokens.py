from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from profiles import operator
from tokens.models import DelegatedToken


class Command(BaseCommand):
    help = "End the tokens whose time has come, and write their events. The hub refuses them anyway."

    def handle(self, *args: Any, **options: Any) -> None:
        with operator.one_line_refusals():
            swept = DelegatedToken.objects.all().sweep(timezone.now())
        self.stdout.write(f"Tokens ended: {swept}")
