from argparse import ArgumentParser
from datetime import UTC, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from profiles import operator
from profiles.events import Actor
from tokens.models import DelegatedToken
from tokens.models.policies import MAX_LIFE


class Command(BaseCommand):
    help = "Issue a delegated token. The secret alone goes to standard output, and is nowhere else."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="the owner, on whose behalf the token acts")
        parser.add_argument("alias", help="the toolkit")
        parser.add_argument("--account", help="id or name, where the alias alone does not say which toolkit")
        parser.add_argument("--name", required=True, metavar="SERVICE", help="the service that will use it")
        parser.add_argument("--days", required=True, help=f"how long it lives, 1 to {MAX_LIFE.days}")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now().replace(microsecond=0)
        days = whole_days(options["days"])
        with operator.one_line_refusals():
            owner, account = operator.user_with(options["email"]), options["account"]
            toolkit = (
                operator.toolkit_named(operator.account_named(account), options["alias"])
                if account
                else operator.usable_toolkit(owner, options["alias"])
            )
            issued = DelegatedToken.objects.issue(
                owner=owner,
                toolkit=toolkit,
                name=options["name"],
                expires_at=now + timedelta(days=days),
                by=Actor.operator("issue_token"),
                now=now,
            )
        token = issued.token
        until = token.expires_at.astimezone(UTC)
        self.stderr.write(f"{token.masked} for “{toolkit}”, on behalf of {owner}, until {until:%d %b %Y, %H:%M} UTC.")
        self.stderr.write("It is shown this once:")
        self.stdout.write(issued.key.text)


def whole_days(text: str) -> int:
    """Return the number of days; refuse what is not a whole number within the limit, and never shorten."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= MAX_LIFE.days and len(text) <= 6):
        raise CommandError(f"--days {text}: write a whole number from 1 to {MAX_LIFE.days}, the longest a token lives.")
    return int(text)
