"""Very many calls of the last 30 days, rollups included, for one account: by SQL inside PostgreSQL, or into SQLite."""

import contextlib
import random
import sqlite3
import time
import uuid
from datetime import timedelta

from django.db import connections, router
from django.utils import timezone

from activity import partitions
from activity.models import Call
from activity.recorder import COLUMNS, TABLE
from activity.recorder.sqlite import INSERT, _for_sqlite
from activity.recounting import recount
from profiles.ids import uuid7
from profiles.models import Account, Member, Toolkit
from tests.bench.activity import make_row
from tests.bench.report import say

TOKENS, TOOLS, DAYS = 200, 20, 30
AT_ONCE = 1_000_000
# Most calls by few tokens and few tools; one in twenty-five fails in some way; half of a day's calls in four hours.
GENERATE = f"""
INSERT INTO {TABLE} ({", ".join(COLUMNS)})
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(noise, 1, 3) || '8' || substr(noise, 4, 15))::uuid,
       at, %(account)s, %(owner)s, %(email)s, %(toolkit)s, %(alias)s, 'bench' || lpad(token::text, 7, '0'), 'service ' || token,
       'nxs', '', (ARRAY['claude-code', 'n8n', 'cursor', 'langchain'])[1 + token %% 4], '1.' || token %% 9, '203.0.113.' || token,
       'agent/' || token %% 9, '2026-07-28', 'tools/call', 'server' || tool %% 4, 'server' || tool %% 4 || '__tool' || tool,
       (ARRAY['ok', 'tool_error', 'upstream_error', 'refused', 'failed'])[CASE WHEN luck < 0.96 THEN 1 ELSE 2 + (luck * 1000)::int %% 4 END],
       '', 0.4, -ln(1 - random() * 0.9999) * (20 + tool * 15), 240, 900, noise, '', '', ''
FROM (
    SELECT %(begin)s::timestamptz + interval '1 second' * (n * %(step)s) AS at, floor(power(random(), 2) * {TOKENS})::int AS token,
           floor(power(random(), 2) * {TOOLS})::int AS tool, random() AS luck, md5(n::text || random()) AS noise
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) n
) made"""


def make(calls: int) -> None:
    """Fill the database of this environment; calls that are there stay."""
    begun = time.perf_counter()
    account, owner, toolkit = _whose()
    using = router.db_for_write(Call) or "default"
    if connections[using].vendor == "postgresql":
        _into_postgres(calls, account, owner, toolkit)
    else:
        _into_sqlite(calls, account, owner, toolkit)
    made = time.perf_counter()
    recount(connections[using])
    counted = time.perf_counter()
    if connections[using].vendor == "postgresql":
        with connections[using].cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    say(f"{calls:,} calls of {account} made in {made - begun:.0f} s, counted in {counted - made:.0f} s")


def _whose():
    member = Member.objects.filter(role="owner").select_related("account", "user").order_by("pk").first()
    if member is None:
        raise SystemExit("There is no account yet: start Nexus once, or run manage.py createsuperuser.")
    return member.account, member.user, Toolkit.objects.filter(account=member.account).first()


def _into_postgres(calls: int, account: Account, owner, toolkit: Toolkit) -> None:
    begin = timezone.now() - timedelta(days=DAYS)
    partitions.make(begin)
    named = {
        "account": account.pk, "owner": owner.pk, "email": owner.email, "toolkit": toolkit.pk, "alias": toolkit.alias,
        "begin": begin, "step": DAYS * 86400 / calls,
    }  # fmt: skip
    with connections["default"].cursor() as cursor, _without_indexes(cursor):
        for first in range(0, calls, AT_ONCE):
            cursor.execute(GENERATE, named | {"first": first, "last": min(first + AT_ONCE, calls) - 1})
            say(f"  {min(first + AT_ONCE, calls):,}")


@contextlib.contextmanager
def _without_indexes(cursor):
    """Put the indexes back afterwards, which takes less time than keeping them up row by row."""
    names = [index.name for index in Call._meta.indexes]
    cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = ANY(%s)", [names])
    definitions = [definition.replace(" ON ONLY ", " ON ") for (definition,) in cursor.fetchall()]
    for name in names:
        cursor.execute(f"DROP INDEX {name}")
    try:
        yield
    finally:
        for definition in definitions:
            cursor.execute(definition)


def _into_sqlite(calls: int, account: Account, owner, toolkit: Toolkit) -> None:
    now = timezone.now()
    path = str(connections["activity"].settings_dict["NAME"])

    def rows():
        for number in range(calls):
            at = now - timedelta(days=DAYS) * (1 - number / calls)
            token = int(random.random() ** 2 * TOKENS)
            yield _for_sqlite(make_row(number)._replace(
                id=uuid7(int(at.timestamp() * 1000)), at=at, account_id=account.pk, owner_id=owner.pk,
                owner_email=owner.email, toolkit_id=toolkit.pk, toolkit_alias=toolkit.alias,
                token_public_id=f"bench{token:07}", token_name=f"service {token}", request_id=str(uuid.uuid4()),
            ))  # fmt: skip

    with contextlib.closing(sqlite3.connect(path)) as file, file:
        file.executemany(INSERT, rows())
