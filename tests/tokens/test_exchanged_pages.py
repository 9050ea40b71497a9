"""Tokens that applications made by exchange, on the pages of tokens."""

import pytest
from django.utils import timezone

from tests import cast
from tests.tokens.oauth.exchanging import ask, make_exchanger
from tokens import keys
from tokens.models import DelegatedToken

pytestmark = pytest.mark.django_db(databases="__all__")


def text(answer):
    return answer.content.decode()


@pytest.fixture
def exchanger(acme):
    return make_exchanger(acme, "CRM <sync>")


@pytest.fixture
def parent(alice, work):
    return cast.make_token(alice, work, "n8n")


@pytest.fixture
def exchange(exchanger):
    def exchanged(subject, **form) -> DelegatedToken:
        return DelegatedToken.objects.get(digest=keys.digest(ask(exchanger, subject, **form).json()["access_token"]))

    return exchanged


def test_the_list_leaves_exchanged_tokens_out_and_says_so(as_alice, parent, exchange):
    assert "made by exchange" not in text(as_alice.get("/tokens/"))
    child = exchange(parent.key.text)
    page = text(as_alice.get("/tokens/"))
    assert parent.token.masked in page
    assert child.masked not in page
    assert "made by exchange" in page
    assert "?made=exchange" in page


@pytest.mark.parametrize(
    ("query", "shows_parent", "shows_child"),
    [("made=exchange", False, True), ("made=any", True, True), ("text={id}", False, True), ("state=active", True, False),
     ("made=any&state=ending", False, True)],
)  # fmt: skip
def test_they_are_found_when_they_are_asked_for(as_alice, parent, exchange, query, shows_parent, shows_child):
    child = exchange(parent.key.text, token_name="nightly")
    page = text(as_alice.get("/tokens/?" + query.format(id=child.public_id)))
    assert (parent.token.masked in page, child.masked in page) == (shows_parent, shows_child)
    if shows_child:
        assert "by <bdi>CRM &lt;sync&gt;</bdi>" in page


def test_nobody_else_sees_them(as_bob, as_charlie, parent, exchange):
    child = exchange(parent.key.text)
    for browser in (as_bob, as_charlie):
        assert child.masked not in text(browser.get("/tokens/?made=any"))
        assert browser.get(f"/tokens/{child.public_id}/").status_code == 404


def test_a_strange_filter_is_said(as_alice):
    answer = as_alice.get("/tokens/?made=robots")
    assert answer.status_code == 422
    assert "exchange, any" in text(answer)


def test_the_page_of_a_token_leads_to_what_it_came_of_and_to_what_came_of_it(as_alice, parent, exchange):
    child = exchange(parent.key.text)
    up, down = (
        text(as_alice.get(f"/tokens/{child.public_id}/")),
        text(as_alice.get(f"/tokens/{parent.token.public_id}/")),
    )
    assert "CRM &lt;sync&gt;" in up
    assert f"/tokens/{parent.token.public_id}/" in up
    assert f"/tokens/{child.public_id}/" in down
    assert "Exchanged for it" in down
    assert "Exchanged for it" not in up


def test_the_page_of_one_made_for_an_access_token_names_the_application(as_alice, alice, work, exchange):
    access, secret = cast.make_access_token(alice, work, cast.make_application())
    page = text(as_alice.get(f"/tokens/{exchange(secret).public_id}/"))
    assert "<bdi>CRM &lt;sync&gt;</bdi> ← <bdi>Claude Code</bdi>" in page
    assert f"/activity/?token={access.session.connection.public_id}" in page


def test_one_whose_origin_is_gone_says_so(as_alice, parent, exchange):
    child = exchange(parent.key.text)
    DelegatedToken.objects.filter(pk=child.pk).update(parent=None)
    assert "no longer kept" in text(as_alice.get(f"/tokens/{child.public_id}/"))


def test_its_revocation_by_the_parent_is_explained(as_alice, parent, exchange):
    child = exchange(parent.key.text)
    as_alice.post(f"/tokens/{parent.token.public_id}/revoke/", {"reason": "leaked"})
    assert "What it was exchanged for has ended" in text(as_alice.get(f"/tokens/{child.public_id}/"))


def test_it_is_revoked_alone(as_alice, parent, exchange):
    child = exchange(parent.key.text)
    as_alice.post(f"/tokens/{child.public_id}/revoke/", {"reason": "unneeded"})
    living = DelegatedToken.objects.living(timezone.now())
    assert list(living) == [parent.token]


def test_the_dashboard_counts_and_warns_of_people_s_tokens_only(as_alice, parent, exchange):
    child = exchange(parent.key.text, token_name="nightly")
    page = text(as_alice.get("/"))
    assert child.name not in page
    assert "None of the 1 living token ends" in page


def test_a_page_of_many_children_costs_no_more(as_alice, parent, exchange, django_assert_max_num_queries):
    for _ in range(25):
        exchange(parent.key.text)
    with django_assert_max_num_queries(17):
        page = text(as_alice.get(f"/tokens/{parent.token.public_id}/"))
    assert page.count("CRM &lt;sync&gt;") >= 20
    with django_assert_max_num_queries(9):
        as_alice.get("/tokens/?made=any")
