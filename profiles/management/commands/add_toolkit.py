from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from profiles import operator
from profiles.events import Actor
from profiles.models import Toolkit


class Command(BaseCommand):
    help = "Make a toolkit, and print the MCP URL of it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("alias", help="its name in the MCP URL: lower-case letters, digits, hyphens")
        parser.add_argument("--account", help="id or name; default: the personal account of NEXUS_ADMIN_EMAIL")
        parser.add_argument("--plain-names", action="store_true", help="show tools as their servers name them")

    def handle(self, *args: Any, **options: Any) -> None:
        alias = options["alias"]
        naming = Toolkit.Naming.PLAIN if options["plain_names"] else Toolkit.Naming.PREFIXED
        with operator.one_line_refusals():
            toolkit = Toolkit.objects.create_toolkit(
                operator.account_named(options["account"]),
                alias=alias,
                name=alias.replace("-", " ").capitalize(),
                naming=naming,
                by=Actor.operator("add_toolkit"),
                now=timezone.now(),
            )
        self.stderr.write(f"The toolkit “{toolkit}” is there. Its MCP URL:")
        self.stdout.write(f"{settings.NEXUS_BASE_URL}/hub/mcp?accountId={toolkit.account_id}&profile={toolkit.alias}")
