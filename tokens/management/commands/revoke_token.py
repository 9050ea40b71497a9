from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from profiles import operator
from profiles.events import Actor
from tokens.models import DelegatedToken

Reason = DelegatedToken.Reason


class Command(BaseCommand):
    help = "Revoke a delegated token: when this returns, no call with it begins anywhere."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("public_id", help="the 12 characters after nxs_, or the token as the pages show it")
        parser.add_argument("--reason", default=Reason.OTHER, help=f"{', '.join(Reason.values)}, or words of your own")

    def handle(self, *args: Any, **options: Any) -> None:
        public_id = options["public_id"].removeprefix("nxs_").partition("_")[0]
        reason, note = options["reason"], ""
        if reason not in Reason.values:
            reason, note = Reason.OTHER, reason
        with operator.one_line_refusals():
            token = DelegatedToken.objects.select_related("account", "owner").filter(public_id=public_id).first()
            if token is None:
                raise CommandError(f"There is no token {public_id}.")
            by = Actor.operator("revoke_token")
            if not token.revoke(by=by, reason=reason, note=note, now=timezone.now()):
                raise CommandError(f"{token} had ended already; nothing was changed.")
        self.stdout.write(f"{token} of {token.owner} is revoked. They are told by mail.")
