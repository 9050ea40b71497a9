import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "SHELL", "TERM")


class Command(BaseCommand):
    help = "Run the stdio servers of the catalog for all hub processes of this machine."

    def handle(self, *args: Any, **options: Any) -> None:
        # Another program from here on: it needs neither Django nor our environment's keys.
        environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        program = [
            sys.executable, "-m", "nexus.hub.stdio_host", str(settings.NEXUS_STDIO_SOCKET),
            "--hide", str(settings.NEXUS_DATA_DIR), *(["--debug"] if options["verbosity"] > 1 else []),
        ]  # fmt: skip
        os.execve(sys.executable, program, environment)  # noqa: S606
