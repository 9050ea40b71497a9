from typing import Any

from django.core.management.base import BaseCommand, CommandError

from profiles import encryption, factors, operator


class Command(BaseCommand):
    help = "Encrypt every stored credential with the newest of NEXUS_FIELD_KEYS, so that the older ones can go."

    def handle(self, *args: Any, **options: Any) -> None:
        with operator.one_line_refusals():
            both = encryption.rewrite_with_newest_key(), factors.rewrite_with_newest_key()
        rewritten, unreadable = (sum(each) for each in zip(*both, strict=True))
        self.stdout.write(f"{rewritten} stored secret(s) are now encrypted with the newest key.")
        if unreadable:
            raise CommandError(
                f"{unreadable} cannot be read with any key of NEXUS_FIELD_KEYS: add the key that is missing there."
            )
