"""Events: who did what, as far as the one who looks may know."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from activity import keyset, trail
from profiles.events import Action, Actor, ActorKind, Event
from profiles.permissions import Role
from tests import cast
from tests.activity.conftest import browser_of

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def token(alice, work):
    return cast.make_token(alice, work, "n8n production").token


def by(user, address="10.0.0.7"):
    return Actor(ActorKind.USER, str(user.pk), str(user), address, "Firefox", "req-1")


def page_of(browser, query=""):
    answer = browser.get(f"/activity/events/{query}")
    assert answer.status_code == 200, answer.content.decode()
    return answer.content.decode()


def acts_of(page):
    return re.findall(r'<th scope="row">([^<]*)<', page)


def test_an_act_is_shown_with_who_what_why_and_from_where(at_acme, alice, token):
    token.revoke(by=by(alice), reason="leaked", note="Found in a log", now=timezone.now())
    page = page_of(at_acme)
    for text in ("revoked a token", "alice@example.com", "n8n production", "Found in a log", "10.0.0.7",
                 f'href="/tokens/{token.public_id}/"', f"subject=delegatedtoken:{token.pk}"):  # fmt: skip
        assert text in page, text
    assert acts_of(page)[0] == "revoked a token"


def test_what_changed_is_written_in_words(at_acme, alice, acme, work):
    Event.record(
        Action.TOOLKIT_CHANGED, by=by(alice), now=timezone.now(), account=acme, subject=work,
        before={"name": "Old <b>", "includes_new": False, "tools": []},
        after={"name": "New", "includes_new": True, "tools": ["a", "b"], "ends_at": "2026-11-24T12:00:00+00:00"},
    )  # fmt: skip
    page = re.sub(r"<(?!del|ins|/del|/ins)[^>]*>", "", page_of(at_acme))
    for text in ("<del>Old &lt;b&gt;</del>", "<ins>New</ins>", "<del>no</del>", "<ins>yes</ins>", "<del>none</del>",
                 "<ins>a, b</ins>", "includes new", "<ins>24 Nov 2026, 12:00</ins>"):  # fmt: skip
        assert text in page, text


def test_a_member_sees_their_acts_and_what_was_done_to_their_tokens(at_acme, as_bob, alice, bob, acme, work, token):
    theirs = cast.make_token(bob, work, "of bob").token
    theirs.revoke(by=by(alice), reason="leaked", now=timezone.now())
    work.pause(by=by(alice), now=timezone.now())
    Event.record(Action.TOOLKIT_CHANGED, by=by(bob), now=timezone.now(), account=acme, subject=work)
    page = page_of(as_bob)
    assert acts_of(page) == ["changed a toolkit", "revoked a token", "issued a token"]
    assert "n8n production" not in page
    assert {"paused a toolkit", "revoked a token"} <= set(acts_of(page_of(at_acme)))


@pytest.mark.parametrize(("role", "sees"), [(Role.ADMIN, True), (Role.OWNER, True), (Role.MEMBER, False), (Role.END_USER, False)])  # fmt: skip
def test_who_sees_the_acts_of_others_is_what_the_table_of_acts_says(acme, token, role, sees):
    dana = cast.make_user("Dana")
    acme.members.create(user=dana, role=role)
    assert ("issued a token" in acts_of(page_of(browser_of(dana, acme)))) is sees


def test_a_persons_own_events_are_theirs_alone(at_acme, as_bob, alice, bob):
    Event.record(Action.SIGNED_IN, by=by(bob, "10.7.7.7"), now=timezone.now(), subject=bob)
    assert "10.7.7.7" in page_of(as_bob)
    assert "10.7.7.7" not in page_of(at_acme)


def test_a_stranger_sees_nothing(as_charlie, client, acme, token):
    as_charlie.post("/settings/account/", {"account": str(acme.pk)})
    for query in ("", f"?subject=delegatedtoken:{token.pk}", "?text=n8n", "?actor=alice", "?group=token"):
        page = page_of(as_charlie, query)
        assert "n8n production" not in page
        assert "issued a token" not in acts_of(page)
    before = Event.objects.get(action=Action.TOKEN_ISSUED)
    assert as_charlie.get(f"/activity/events/?before={before.pk}").status_code == 422
    assert client.get("/activity/events/").url == "/accounts/login/?next=/activity/events/"


def test_it_only_shows(at_acme):
    assert at_acme.post("/activity/events/").status_code == 405


@pytest.mark.parametrize(
    "query",
    ["group=policy", "actor=BOB@", "subject=work", "subject=toolkit:{work}", "address=10.5.0.0/16", "text=because"],
)
def test_each_filter_finds_its_events(at_acme, bob, acme, work, token, query):
    Event.record(
        Action.POLICY_CHANGED, by=by(bob, "10.5.0.1"), now=timezone.now(), account=acme, subject=work, reason="Because"
    )
    Event.record(Action.MEMBER_ADDED, by=cast.OPERATOR, now=timezone.now(), account=acme, subject=acme)
    page = page_of(at_acme, f"?{query.format(work=work.pk)}")
    assert "changed a policy" in acts_of(page)
    assert "added a member" not in acts_of(page)
    assert "issued a token" not in acts_of(page)


def test_a_thing_asked_for_by_its_id_is_named_in_the_chip(at_acme, token):
    assert "<bdi>n8n production" in page_of(at_acme, f"?subject=delegatedtoken:{token.pk}").partition("chips")[2]


def test_the_range_is_kept_to(at_acme, alice, acme):
    for days, action in ((2, Action.MEMBER_ADDED), (40, Action.MEMBER_REMOVED)):
        Event.record(action, by=by(alice), now=timezone.now() - timedelta(days=days), account=acme, subject=alice)
    assert "added a member" in acts_of(page_of(at_acme))
    assert "removed a member" not in acts_of(page_of(at_acme))
    assert (
        acts_of(page_of(at_acme, f"?since={timezone.now() - timedelta(days=50):%Y-%m-%dT%H:%MZ}")).count(
            "removed a member"
        )
        == 1
    )


@pytest.mark.parametrize(
    ("query", "says"),
    [("group=x", "Choose one of: token,"), ("address=x", "Write an address or a network"), ("text=" + "x" * 101, "at most 100"),
     ("before=x", "This is no place in the list."), ("range=2h", "Choose one of: 1h")],
)  # fmt: skip
def test_a_wrong_filter_is_said_and_nothing_is_shown(at_acme, token, query, says):
    answer = at_acme.get(f"/activity/events/?{query}")
    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert acts_of(answer.content.decode()) == []


def test_pages_of_two_sources_follow_each_other_without_gap_or_repetition(at_acme, alice, acme, monkeypatch):
    """The account's events and the person's own are two lists, shown as one."""
    monkeypatch.setattr(keyset, "SEARCHED", 7)
    now = timezone.now()
    for number in range(60):
        own = number % 3 == 0
        Event.record(
            Action.CONFIRMED if own else Action.POLICY_CHANGED, by=by(alice), now=now - timedelta(minutes=number // 2),
            account=None if own else acme, subject=alice if own else acme, reason="page",
        )  # fmt: skip
    for query in ("?range=24h", "?range=24h&text=page"):
        seen, address = [], query
        while address:
            page = page_of(at_acme, address)
            seen += re.findall(r'id="event-([^"]*)"', page)
            link = re.search(r'href="([^"]*)" rel="next"', page)
            address = link[1].replace("&amp;", "&") if link else None
        assert len(seen) == len(set(seen))
        found = Event.objects.filter(pk__in=seen, reason="page").order_by("-at", "-id").values_list("pk", flat=True)
        assert len(found) == 60
        assert [pk for pk in seen if pk in set(map(str, found))] == list(map(str, found))


def test_hostile_names_are_inert(at_acme, acme, work):
    work.name = "<img src=x onerror=alert(1)>\u202e"
    work.save()
    Event.record(Action.TOOLKIT_CHANGED, by=cast.OPERATOR, now=timezone.now(), account=acme, subject=work,
                 after={"<script>": '"><svg/onload=x>\u202e'})  # fmt: skip
    page = page_of(at_acme)
    assert "<img src=x" not in page
    assert "<svg/onload" not in page
    assert "<script>x" not in page
    assert "\u202e" not in page


def test_every_act_belongs_to_a_group():
    assert {action for group in trail.GROUPS for action in trail.actions_of(group)} == set(Action.values)


def test_it_asks_the_database_as_often_for_many_events_as_for_one(
    at_acme, acme, work, alice, django_assert_max_num_queries
):
    cast.make_token(alice, work, "first")
    with django_assert_max_num_queries(16) as few:
        page_of(at_acme)
    for number in range(15):
        cast.make_token(alice, work, f"n{number}")
    with django_assert_max_num_queries(16) as many:
        page_of(at_acme)
    assert len(many) == len(few)
