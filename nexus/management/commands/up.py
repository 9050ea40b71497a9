import errno
import os
import signal
import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse
from django.utils import timezone

from nexus import embedded
from nexus.process_tree import ProcessTree, end_with_parent
from profiles.first_run import OPERATOR
from profiles.models import SignInLink

CATALOG_PATIENCE = 20.0  # seconds that the first listing of the catalog may hold back the greeting


class Command(BaseCommand):
    help = "Run all of Nexus on this machine as one tree of processes: web, worker with beat, stdio host."
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--end-with-parent",
            action="store_true",
            help="end when the program that started this one ends, make for example",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["end_with_parent"]:
            end_with_parent(os.getppid(), by=signal.SIGTERM)
        embedded.make_folders()
        try:
            listener = embedded.listen(settings.NEXUS_HOST, settings.PORT)
        except OSError as error:
            raise CommandError(self.refusal(error)) from None
        now = timezone.now()
        user = embedded.prepare(now)
        link = settings.NEXUS_BASE_URL + reverse(
            "sign_in_link", args=[SignInLink.objects.make(user, by=OPERATOR, now=now)]
        )
        embedded.close_connections()
        tree = ProcessTree(embedded.programs(listener, user))
        greeting = Greeting(tree, link)
        sys.exit(tree.run(greeting.once_served))

    def refusal(self, error: OSError) -> str:
        if error.errno == errno.EADDRINUSE:
            return f"Port {settings.PORT} is taken. Stop what uses it, or choose another: PORT={settings.PORT + 1}"
        return f"Cannot listen on {settings.NEXUS_HOST}, port {settings.PORT}: {error.strerror}."


class Greeting:
    """Says where Nexus is, once a browser would really get the page."""

    def __init__(self, tree: ProcessTree, link: str) -> None:
        self.catalog = next(program for program in tree.programs if program.name == "catalog")
        self.link = link
        self.deadline = time.monotonic() + CATALOG_PATIENCE
        self.is_said = False

    def once_served(self) -> None:
        if self.is_said or not (self.catalog.has_ended or time.monotonic() > self.deadline):
            return
        if embedded.is_served():
            self.is_said = True
            sys.stdout.write(self.text)
            sys.stdout.flush()

    @property
    def text(self) -> str:
        return (
            f"\n  Nexus      {settings.NEXUS_BASE_URL}/\n"
            f"  Sign in    {self.link}\n"
            "             works once, within an hour; for another run\n"
            f"             .venv/bin/python manage.py sign_in_link {settings.NEXUS_ADMIN_EMAIL}\n"
            f"  Data       {settings.NEXUS_DATA_DIR}\n"
            f"  Stop       Ctrl-C (process {os.getpid()})\n\n"
        )
