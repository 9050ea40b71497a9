from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.urls import reverse
from django.utils import timezone

from profiles import factors, operator
from profiles.events import Actor
from profiles.models import SignInLink


class Command(BaseCommand):
    help = "Print a link that signs a person in, once, within an hour."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument(
            "--without-factors",
            action="store_true",
            help="take away the person's second factors too: for somebody you know who has lost them and their codes",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with operator.one_line_refusals():
            user = operator.user_with(options["email"])
            if options["without_factors"]:
                gone = factors.reset(user, by=Actor.operator("sign_in_link"), now=timezone.now())
                self.stderr.write(f"{gone} second factor(s) of {user} were taken away.")
            secret = SignInLink.objects.make(user, by=Actor.operator("sign_in_link"), now=timezone.now())
        self.stdout.write(settings.NEXUS_BASE_URL + reverse("sign_in_link", args=[secret]))
