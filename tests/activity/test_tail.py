"""New calls while somebody watches: the rows of the same address, asked for again and again."""

from datetime import timedelta

import pytest
from django.utils import timezone

from activity.models import Call
from tests import cast
from tests.activity.calls import make_call
from tests.activity.test_activity import tools_of

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def token(alice, work):
    return cast.make_token(alice, work).token


def test_nothing_is_sent_while_nothing_is_new(at_acme, token, django_assert_max_num_queries):
    make_call(token, tool="first")
    answer = at_acme.get("/activity/tail/")
    assert tools_of(answer.content.decode()) == ["first"]
    assert "<html" not in answer.content.decode()
    with django_assert_max_num_queries(8):
        assert at_acme.get("/activity/tail/", headers={"If-None-Match": answer["ETag"]}).status_code == 304
    make_call(token, tool="second")
    answer = at_acme.get("/activity/tail/", headers={"If-None-Match": answer["ETag"]})
    assert tools_of(answer.content.decode()) == ["second", "first"]


def test_a_call_that_ends_is_news(at_acme, token):
    call = make_call(token, outcome="open")
    tag = at_acme.get("/activity/tail/")["ETag"]
    Call.objects.filter(pk=call.pk).update(outcome="ok")
    assert at_acme.get("/activity/tail/", headers={"If-None-Match": tag}).status_code == 200


def test_it_keeps_to_the_filters(at_acme, token):
    make_call(token, tool="wanted", outcome="refused")
    make_call(token, tool="other")
    assert tools_of(at_acme.get("/activity/tail/?outcome=refused").content.decode()) == ["wanted"]
    assert at_acme.get("/activity/tail/?outcome=good").status_code == 422


def test_strangers_get_no_rows_and_nobody_is_led_to_sign_in(as_charlie, client, token):
    make_call(token)
    assert tools_of(as_charlie.get("/activity/tail/").content.decode()) == []
    assert client.get("/activity/tail/").status_code == 302
    assert as_charlie.post("/activity/tail/").status_code == 405


@pytest.mark.parametrize(
    ("query", "offered"), [("", True), ("?outcome=ok", True), ("?since={ago}", False), ("?before={pk}", False)]
)
def test_it_is_offered_where_new_calls_belong(at_acme, token, query, offered):
    call = make_call(token)
    ago = f"{timezone.now() - timedelta(hours=1):%Y-%m-%dT%H:%MZ}"
    page = at_acme.get(f"/activity/{query.format(ago=ago, pk=call.pk)}").content.decode()
    assert ("data-tail=" in page) is offered
    if offered:
        assert f'data-tail="/activity/tail/?{query[1:]}"' in page
        assert "Reload</a>" in page
