"""What a million tokens would cost shows in the plans of a few: no periodic job, lookup or list scans them all."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests import cast, rest
from tokens import keys, lookup
from tokens.models import DelegatedToken
from tokens.models.selecting import ENDS_AT, SWEEP_BATCH

pytestmark = pytest.mark.django_db(databases="__all__")
State = DelegatedToken.State


def plan_of(rows: QuerySet) -> str:
    if connection.vendor != "postgresql":
        pytest.skip("plans of PostgreSQL")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
    return rows.explain()


def fill(token: DelegatedToken, *, count: int = 600, paused: int = 0) -> None:
    """Give the planner a table that is worth an index, and let it count."""
    kept = {field.attname: getattr(token, field.attname) for field in DelegatedToken._meta.concrete_fields}
    own = [
        {
            "id": None,
            "public_id": f"{token.pk:06}{number:06}",
            "digest": f"{token.pk:032}{number:032}",
            "name": f"{number}",
        }
        for number in range(1000, 1000 + count)
    ]
    DelegatedToken.objects.bulk_create(
        DelegatedToken(
            **kept | each | {"family": uuid.uuid4(), "paused_at": token.issued_at if place < paused else None}
        )
        for place, each in enumerate(own)
    )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE tokens_delegatedtoken")


def test_the_sweep_reads_what_is_due_from_one_index_in_order(issued):
    plan = plan_of(DelegatedToken.objects.over(timezone.now()).order_by(ENDS_AT)[:SWEEP_BATCH])
    assert "delegated_token_ends" in plan
    assert "Sort" not in plan


@pytest.mark.parametrize(
    ("state", "index"),
    [
        ("", "delegated_token_of_people"),
        (State.PAUSED, "delegated_token_paused"),
        (State.REVOKED, "delegated_token_of_people"),
    ],
)
def test_a_page_of_the_list_is_read_from_an_index_in_order(acme, alice, issued, state, index):
    fill(issued.token, paused=3)
    rows = DelegatedToken.objects.of_account(acme, alice).made_by_people().order_by("-issued_at", "-id")
    plan = plan_of((rows.in_state(state, timezone.now()) if state else rows)[:51])
    assert index in plan
    assert "Sort" not in plan


@pytest.mark.parametrize("count", [3, 30])
def test_a_batch_of_the_sweep_costs_as_many_queries_for_many_as_for_few(alice, work, count):
    now = timezone.now()
    for number in range(count):
        token = cast.make_token(alice, work, f"service {number}").token
    with CaptureQueriesContext(connection) as queries:
        assert DelegatedToken.objects.all().sweep(token.expires_at) == count
    assert len(queries) <= 12, now


def test_a_lookup_is_planned_once_on_a_connection(issued):
    if connection.vendor != "postgresql":
        pytest.skip("prepared statements of PostgreSQL")
    for _ in range(2):
        assert lookup.token_with(issued.token.digest, keys.Kind.DELEGATED)[1]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%%t.digest%%'")
        assert cursor.fetchone()[0] == 1


@pytest.fixture
def issued(alice, work):
    return cast.make_token(alice, work)


def test_a_page_of_the_rest_api_is_read_from_an_index_for_each_part(alice, bob, acme, work):
    """Bob's own in Acme, where he is a member; all of Globex, which he owns; and some that are both."""
    globex = cast.make_account("Globex", owner=bob, member=alice)
    desk = cast.make_toolkit(globex, "desk", cast.make_server("desk"), allowed=["echo"])
    now = timezone.now()
    made = {
        cast.make_token(owner, toolkit, f"{number}", now=now - timedelta(minutes=number % 3)).token.public_id
        for number, (owner, toolkit) in enumerate([(bob, work), (bob, desk), (alice, desk)] * 3)
    }
    cast.make_token(alice, work, "not bob's")
    ask, seen, path = rest.person(bob), [], "tokens?limit=4"
    with CaptureQueriesContext(connection) as queries:
        while path:
            page = ask("get", path).json()
            seen += [row["id"] for row in page["results"]]
            path = page["next"] and page["next"].partition("/api/v1/")[2]
    assert (len(seen), set(seen)) == (9, made)
    [union, *_] = [each["sql"] for each in queries if " UNION " in each["sql"]] or [""]
    for token in DelegatedToken.objects.filter(name__in=["0", "1", "2"]):
        fill(token)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
            cursor.execute(f"EXPLAIN {union}")
            plan = str(cursor.fetchall())
        assert "delegated_token_of_owner" in plan
        assert "delegated_token_of_account" in plan
