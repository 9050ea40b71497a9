from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from profiles import operator
from profiles.events import Actor
from profiles.models import Server
from profiles.models.servers import refuse_bad_address
from profiles.upstream import discovery


class Command(BaseCommand):
    help = "Add a streamable HTTP server to the catalog, once it has listed its tools."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="prefix of its tools' names: lower-case letters, digits, hyphens")
        parser.add_argument("url", help="address of the MCP endpoint")
        parser.add_argument("--name", help="shown to people; default: the slug")
        parser.add_argument(
            "--toolkit", metavar="ALIAS", help="allow all it offers in this toolkit of the first account"
        )

        parser.add_argument(
            "--sign-in",
            choices=["header", "bearer", "oauth"],
            help="how people sign in there; its tools are listed later",
        )
        parser.add_argument("--header-name", default="", help="with --sign-in header: the header that carries the key")

    def handle(self, *args: Any, **options: Any) -> None:
        slug, url, name = options["slug"], options["url"], options["name"] or options["slug"]
        by, now = Actor.operator("add_server"), timezone.now()
        with operator.one_line_refusals():
            toolkit = (
                operator.toolkit_named(operator.account_named(None), options["toolkit"]) if options["toolkit"] else None
            )
            refuse_bad_address(url)
            asked = Server(url=url, name=name, transport=Server.Transport.HTTP)
            tools = [] if options["sign_in"] else discovery.list_tools(asked)
            with transaction.atomic():
                server = Server.objects.add(None, url=url, name=name, slug=slug, tools=tools, by=by, now=now)
                if kind := options["sign_in"]:
                    server.sign_in_by(kind, header_name=options["header_name"], by=by, now=now)
            names = list(server.tools.values_list("name", flat=True))
            if toolkit:
                toolkit.add_server(server, allowed=names, by=by, now=now, offers_resources=True, offers_prompts=True)
        place = f" All it offers is allowed in the toolkit “{toolkit}”." if toolkit else ""
        self.stdout.write(f"The server “{server}” is in the catalog, with {len(names)} tools.{place}")
