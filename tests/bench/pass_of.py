"""What the periodic jobs do among many tokens: `python -m tests.bench.pass_of sweep|remind|lookup` prints figures as JSON."""

import json
import os
import statistics
import sys
import threading
import time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nexus.settings")

import django

django.setup()

import psycopg  # noqa: E402
from django.db import connection  # noqa: E402
from django.test.utils import override_settings  # noqa: E402
from django.utils import timezone  # noqa: E402

from tests.bench.million import MARK, TOKENS  # noqa: E402
from tokens import keys, lookup, reminding  # noqa: E402
from tokens.models import DelegatedToken  # noqa: E402

LOOKUPS = 2_000
LONGEST = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


class Watch:
    """How long the longest transaction lasted: longer than that no lock was held."""

    def __enter__(self) -> "Watch":
        self.longest, self._is_over = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as database:
            while not self._is_over.wait(0.005):
                self.longest = max(self.longest, float(database.execute(LONGEST).fetchone()[0]))


def timed(act) -> dict[str, float]:
    begun = time.perf_counter()
    with Watch() as watch:
        count = act()
    return {"count": count, "seconds": time.perf_counter() - begun, "longest_transaction": watch.longest}


def sweep() -> dict[str, float]:
    return timed(lambda: DelegatedToken.objects.all().sweep(timezone.now()))


@override_settings(EMAIL_BACKEND="django.core.mail.backends.locmem.EmailBackend")
def remind() -> dict[str, float]:
    return timed(lambda: reminding.send_due(timezone.now()).reminders)


def lookups() -> dict[str, float]:
    """Look up tokens that are there and that are not, spread over all of them."""
    digests = [keys.digest(f"{MARK}{1 + number * (TOKENS // LOOKUPS)}") for number in range(LOOKUPS)]
    took, in_database = [], []
    with connection.cursor() as cursor:
        cursor.execute("PREPARE look (text) AS " + lookup.DELEGATED.replace("%s", "$1"))
        for digest in digests:
            cursor.execute("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE look (%s)", [digest])
            plan = cursor.fetchone()[0]
            plan = (json.loads(plan) if isinstance(plan, str) else plan)[0]
            in_database.append(plan["Planning Time"] + plan["Execution Time"])
    for digest in digests:
        begun = time.perf_counter()
        lookup.token_with(digest, keys.Kind.DELEGATED)
        took.append((time.perf_counter() - begun) * 1000)
    return {
        "database_ms": statistics.median(in_database),
        "p50_ms": statistics.median(took),
        "p99_ms": sorted(took)[int(len(took) * 0.99)],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"sweep": sweep, "remind": remind, "lookup": lookups}[sys.argv[1]]()) + "\n")
