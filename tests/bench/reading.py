"""What it costs to read Activity where there are very many calls: `python -m tests.bench.reading` after `tests.bench.many`.

It asks Django in this process, by its test client: no network, and the client's own work is counted too.
"""

import logging
import resource
import statistics
import time

from django.conf import settings
from django.test import Client

from activity.models import Call
from profiles.models import Member
from tests.bench.report import say

REPETITIONS = 7
EXPORTED = 300_000  # rows, at most


def measure() -> None:
    """Print the median time and processor time of each page, and the rows per second of each export."""
    logging.disable(logging.CRITICAL)
    settings.ALLOWED_HOSTS = ["*"]
    member = Member.objects.filter(role="owner").select_related("user", "account").order_by("pk").first()
    client = Client()
    client.force_login(member.user)
    client.post("/settings/account/", {"account": str(member.account_id)})
    newest = Call.objects.filter(account_id=member.account_id).order_by("-at")[0]
    say(f"{'page':<50}{'median ms':>10}{'most':>8}{'CPU ms':>8}")
    for query in queries(newest):
        measure_page(client, query)
    for query, kind in (("?range=30d", "csv"), ("?range=30d", "ndjson"), ("?range=30d&outcome=refused", "csv")):
        measure_export(client, query, kind)


def queries(call: Call) -> list[str]:
    token, tool = call.token_public_id, call.tool
    return [
        "", "?range=1h", "?range=7d", "?range=30d", f"?token={token}", f"?token={token}&range=24h",
        f"?tool={tool}&range=30d", f"?tool={tool}", "?outcome=refused&range=30d", f"?server={call.server}&range=7d",
        f"?toolkit={call.toolkit_alias}&range=30d", "?client=n8n&range=30d", "?text=nothing&range=30d",
        "?address=203.0.113.0/24&range=30d",
    ]  # fmt: skip


def measure_page(client: Client, query: str) -> None:
    took, used = [], []
    for _ in range(REPETITIONS + 1):
        begun, cpu = time.perf_counter(), time.process_time()
        answer = client.get(f"/activity/{query}")
        took.append((time.perf_counter() - begun) * 1000)
        used.append((time.process_time() - cpu) * 1000)
        assert answer.status_code == 200, (query, answer.status_code)
    say(
        f"{query or '(a day)':<50}{statistics.median(took[1:]):>10.0f}{max(took[1:]):>8.0f}{statistics.median(used[1:]):>8.0f}"
    )


def measure_export(client: Client, query: str, kind: str) -> None:
    begun, cpu, rows = time.perf_counter(), time.process_time(), 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for piece in client.post(f"/activity/export{query}", {"format": kind}).streaming_content:
        rows += piece.count(b"\n")
        if rows >= EXPORTED:
            break
    seconds, used = time.perf_counter() - begun, time.process_time() - cpu
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    say(
        f"{kind} {query}: {rows:,} rows, {rows / seconds:,.0f} a second, {rows / used:,.0f} a second of CPU, +{grown:.0f} MB"
    )


if __name__ == "__main__":
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nexus.settings")
    django.setup()
    measure()
