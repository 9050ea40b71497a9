import signal
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connections

from activity.drain import Drain
from activity.recorder.counter import SqliteCounter
from activity.storing import connection_parameters


class Command(BaseCommand):
    help = (
        "Bring calls from Redis to PostgreSQL and count them, until it is told to end. Run it beside the web "
        "processes, once or more often. Embedded, where the web process does it: count what waits, and end."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="end when nothing waits")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DATABASE_URL:
            counter = SqliteCounter(str(connections["activity"].settings_dict["NAME"]))
            self.stdout.write(f"Counted {counter.count()} calls.")
            counter.close()
        elif not settings.REDIS_URL:
            self.stdout.write("Without REDIS_URL, calls go straight to PostgreSQL: there is nothing to do.")
        else:
            self.drain(Drain(settings.REDIS_URL, connection_parameters()), is_once=options["once"])

    def drain(self, drain: Drain, *, is_once: bool) -> None:
        if is_once:
            self.stdout.write(f"Stored {drain.all_that_waits()} entries.")
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: drain.stop())
        drain.run()
