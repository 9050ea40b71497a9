"""What holds for every address of the REST API."""

import base64
import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from profiles.models import AnsweredRequest, Toolkit
from profiles.rest import rates
from tests import cast, rest

pytestmark = [pytest.mark.django_db(databases="__all__")]
CREATE = {"alias": "support", "name": "Support"}


@pytest.fixture
def ask(alice, acme):
    return rest.person(alice, acme)


@pytest.mark.sqlite
def test_a_create_with_the_same_key_is_done_once_and_answered_the_same(ask, acme):
    first, again = (ask("post", "profiles", CREATE, Idempotency_Key="k1") for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert Toolkit.objects.filter(alias="support").count() == 1


def test_another_request_with_the_same_key_is_refused(ask):
    ask("post", "profiles", CREATE, Idempotency_Key="k1")
    answer = ask("post", "profiles", CREATE | {"name": "Other"}, Idempotency_Key="k1")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_a_create_that_failed_may_be_sent_again_with_its_key(ask):
    assert ask("post", "profiles", CREATE | {"alias": "default"}, Idempotency_Key="k1").status_code == 400
    assert ask("post", "profiles", CREATE, Idempotency_Key="k1").status_code == 201


def test_keys_of_different_askers_have_nothing_to_do_with_each_other(ask, bob, acme, alice):
    ask("post", "profiles", CREATE, Idempotency_Key="k1")
    by_key = rest.key(alice, acme, "profiles:write")
    answer = by_key("post", "profiles", {"alias": "sales", "name": "Sales"}, Idempotency_Key="k1")
    assert (answer.status_code, answer.json()["alias"]) == (201, "sales")


def test_after_a_day_a_key_means_nothing_any_more(ask, acme):
    ask("post", "profiles", CREATE, Idempotency_Key="k1")
    AnsweredRequest.objects.update(at=timezone.now() - timedelta(hours=25))
    answer = ask("post", "profiles", {"alias": "sales", "name": "Sales"}, Idempotency_Key="k1")
    assert (answer.status_code, answer.json()["alias"]) == (201, "sales")
    assert AnsweredRequest.objects.count() == 1


@pytest.mark.parametrize("text", ["", "x" * 256, "caf\xe9"])
def test_an_idempotency_key_that_is_none_is_named(ask, text):
    answer = ask("post", "profiles", CREATE, Idempotency_Key=text)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["Idempotency-Key"])
    assert not Toolkit.objects.filter(alias="support").exists()


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        ('{"alias":"a","alias":"b","name":"x"}', "application/json", 400, "invalid"),
        ('{"name":NaN}', "application/json", 400, "invalid"),
        ("[" * 100_000, "application/json", 400, "invalid"),
        (b"\xff\xfe", "application/json", 400, "invalid"),
        ("[]", "application/json", 400, "invalid"),
        ('{"alias":"a","name":"\\ud800"}', "application/json", 400, "invalid"),
        ('{"alias":"a","name":"\\u0000"}', "application/json", 400, "invalid"),
        ('{"alias":"a","name":"b","is_default":true}', "application/json", 400, "invalid"),
        ("alias=a&name=b", "application/x-www-form-urlencoded", 415, "wrong_media_type"),
        ('{"name": "' + "x" * 1_100_000 + '"}', "application/json", 413, "too_large"),
    ],
)
def test_a_body_that_cannot_be_taken_is_a_problem_and_makes_nothing(ask, body, kind, status, code):
    before = Toolkit.objects.count()
    answer = ask.client.post("/api/v1/profiles", body, content_type=kind, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert answer.json()["code"] == code
    assert answer.json()["request_id"]
    assert Toolkit.objects.count() == before


def test_problems_of_http_itself_have_the_same_form(ask):
    wrong = ask("delete", "profiles"), ask("get", "profiles", Accept="text/html"), ask("get", "nothing/here")
    assert [(answer.status_code, answer.json()["code"]) for answer in wrong] == [
        (405, "wrong_method"), (406, "not_acceptable"), (404, "not_found"),
    ]  # fmt: skip
    assert wrong[0]["Allow"] == "GET, POST, HEAD"
    assert {answer["Content-Type"] for answer in wrong} == {"application/problem+json"}
    assert ask("options", "profiles").status_code == 405


@pytest.mark.parametrize(
    "query", ["user=1", "alais=work", "limit=1&limit=2", "ordering=owner", "account=x", "cursor=W10"]
)
def test_a_parameter_that_is_not_known_or_wrong_never_widens_a_list(ask, query):
    answer = ask("get", f"profiles?{query}")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [query.split("=")[0]])


def test_a_cursor_belongs_to_its_ordering_and_pages_have_no_gap(ask, acme):
    for name in ("Ada", "Ben", "Cleo"):
        cast.make_toolkit(acme, name.lower(), name=name)
    found, path = [], f"profiles?account={acme.pk}&limit=2&ordering=-name"
    while path:
        page = ask("get", path).json()
        found += [row["name"] for row in page["results"]]
        path = (page["next"] or "").partition("/api/v1/")[2]
        if path:
            assert ask("get", path.replace("ordering=-name", "ordering=name")).status_code == 400
    assert found == ["Default", "Cleo", "Ben", "Ada"]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
@pytest.mark.parametrize("noun", ["tokens", "members", "accounts"])
def test_a_cursor_beyond_the_calendar_is_none_of_ours(ask, noun, moment):
    ordering, key = ("issued_at", "1") if noun == "tokens" else ("created_at", "1")
    key = "00000000-0000-4000-8000-000000000000" if noun == "accounts" else key
    cursor = base64.urlsafe_b64encode(json.dumps([ordering, moment, key]).encode()).decode()
    answer = ask("get", f"{noun}?ordering={ordering}&cursor={cursor}")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["cursor"])


def test_a_body_that_is_no_object_is_told_under_a_name_of_the_wire(ask):
    assert list(ask("post", "profiles", [1]).json()["errors"]) == ["other"]


def test_every_answer_says_how_many_requests_are_left(ask, settings, monkeypatch):
    monkeypatch.setattr(rates.time, "time", lambda: 1_800_000_030.0)
    settings.NEXUS_RATE_REST = 2
    first = ask("get", "me")
    assert (first["RateLimit-Policy"], first["RateLimit"]) == ('"requests";q=2;w=60', '"requests";r=1;t=30')
    assert ask("get", "nothing").status_code == 404
    refused = ask("get", "me")
    assert (refused.status_code, refused.json()["code"], refused["Retry-After"]) == (429, "too_many", "30")
    assert refused["RateLimit"] == '"requests";r=0;t=30'


def test_a_key_has_a_limit_of_its_own(alice, acme, settings):
    settings.NEXUS_RATE_REST = 1
    for ask in (rest.key(alice, acme, "accounts:read", name="a"), rest.key(alice, acme, "accounts:read", name="b")):
        assert [ask("get", "accounts").status_code for _ in range(2)] == [200, 429]


def test_a_session_writes_with_its_csrf_token_only(alice, acme):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    answer = client.post("/api/v1/profiles", json.dumps(CREATE), content_type="application/json")
    assert answer.status_code == 403
    assert not Toolkit.objects.filter(alias="support").exists()
    client.cookies["nexus_csrf"] = token = "a" * 32
    answer = client.post(
        "/api/v1/profiles", json.dumps(CREATE), content_type="application/json",
        headers={"X-CSRFToken": token, "Idempotency-Key": "k"},
    )  # fmt: skip
    assert answer.status_code == 201
