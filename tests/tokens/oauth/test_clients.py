"""Who the client is: one way at a time, nothing to be guessed, and no flood."""

import base64
from datetime import timedelta

import pytest
from django.contrib.auth.hashers import make_password
from django.db import OperationalError, connection
from django.utils import timezone

from tests import cast
from tests.tokens.oauth.flow import SECRET, Program, basic, error_of, make_confidential, make_machine
from tokens.models import Application
from tokens.oauth import clients, failures

pytestmark = pytest.mark.django_db(databases="__all__")
ENDPOINTS = ("/oauth/token", "/oauth/revoke", "/oauth/introspect")
NOBODY = Program(None)


@pytest.fixture
def robot(acme) -> Application:
    return make_confidential(acme)


def ask(headers=None, path="/oauth/token", **form):
    return NOBODY.post(path, headers=headers, **({"grant_type": "refresh_token", "refresh_token": "x"} | form))


def is_in(answer) -> bool:
    """Return whether the client was taken: what is wrong then is the grant."""
    return answer.json() != {} and answer.json().get("error") == "invalid_grant"


def test_header_form_and_public_client_are_the_three_ways(robot, claude):
    assert is_in(ask(basic(robot.client_id)))
    assert is_in(ask(basic(robot.client_id), client_id=robot.client_id))
    assert is_in(ask(client_id=robot.client_id, client_secret=SECRET))
    assert is_in(ask(client_id=claude.client_id))
    assert is_in(ask(basic(claude.client_id, "")))
    assert is_in(ask({"Authorization": basic(robot.client_id)["Authorization"].replace("Basic", "bAsIc")}))


def test_names_and_secrets_in_the_header_are_form_encoded(acme):
    odd = cast.make_application(
        acme, client_id="https://client.example.com/x", client_type="confidential", client_secret="a:b+c d%"
    )
    encoded = basic("https%3A%2F%2Fclient.example.com%2Fx", "a%3Ab%2Bc+d%25")
    assert is_in(ask(encoded))
    assert odd.client_secret.startswith("nexus_sha256$")


WRONG = {
    "wrong secret": lambda robot: basic(robot.client_id, "x"),
    "empty secret": lambda robot: basic(robot.client_id, ""),
    "unknown client": lambda robot: basic("nobody"),
    "empty client": lambda robot: basic(""),
    "no colon": lambda robot: {"Authorization": "Basic " + base64.b64encode(b"robot").decode()},
    "no base64": lambda robot: {"Authorization": "Basic !!!"},
    "cut base64": lambda robot: {"Authorization": "Basic YTp"},
    "nothing": lambda robot: {"Authorization": "Basic"},
    "not UTF-8": lambda robot: {"Authorization": "Basic " + base64.b64encode(b"\xff:\xfe").decode()},
    "NUL": lambda robot: basic("a%00b"),
    "two headers in one": lambda robot: {
        "Authorization": ",".join([basic(robot.client_id)["Authorization"]] * 2),
    },
    "too long": lambda robot: basic("x" * 5000),
}


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("header", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_header_is_401_with_a_challenge(robot, header, path):
    answer = ask(header(robot), path, token="x")
    assert error_of(answer) == (401, "invalid_client")
    assert answer["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_wrong_form_is_401(robot, claude, path):
    for form in (
        {}, {"client_id": ""}, {"client_id": "nobody"}, {"client_id": robot.client_id}, {"client_id": "x" * 300},
        {"client_id": robot.client_id, "client_secret": "x"}, {"client_id": claude.client_id, "client_secret": "x"},
    ):  # fmt: skip
        assert error_of(ask(path=path, token="x", **form)) == (401, "invalid_client"), form


@pytest.mark.parametrize("path", ENDPOINTS)
def test_two_ways_at_once_or_two_names_are_malformed(robot, claude, path):
    header = basic(robot.client_id)
    for form in (
        {"client_id": robot.client_id, "client_secret": SECRET}, {"client_secret": SECRET},
        {"client_id": claude.client_id}, {"client_id": [robot.client_id, robot.client_id]},
    ):  # fmt: skip
        assert error_of(ask(header, path, token="x", **form)) == (400, "invalid_request"), form


def test_an_unknown_client_and_a_wrong_secret_read_the_same_and_cost_the_same(robot, django_assert_num_queries):
    answers = []
    for client_id in (robot.client_id, "nobody"):
        with django_assert_num_queries(1):
            answers.append(ask(client_id=client_id, client_secret="x"))
    assert answers[0].content == answers[1].content


def test_the_secret_of_nobody_opens_nothing():
    assert clients._is_proved(None, "nobody's") is False
    without = Application(client_secret="", client_type="confidential")
    assert clients._is_proved(without, "") is False


def test_an_application_whose_secret_is_not_hashed_our_way_is_not_proved():
    assert clients._is_proved(Application(client_secret="plain", client_type="confidential"), "plain") is False


def test_ten_failures_in_a_row_make_a_client_at_an_address_wait(robot, claude, django_assert_num_queries, time_machine):
    now = timezone.now()
    time_machine.move_to(now, tick=False)
    for _ in range(10):
        assert ask(basic(robot.client_id, "x")).status_code == 401
    with django_assert_num_queries(0):
        refused = ask(basic(robot.client_id))
    assert error_of(refused) == (429, "temporarily_unavailable")
    assert refused["Retry-After"] == "6"
    assert is_in(ask(client_id=claude.client_id))  # others at the address go on
    time_machine.move_to(now + timedelta(seconds=6), tick=False)
    assert is_in(ask(basic(robot.client_id)))


def test_nobody_can_lock_a_client_out_from_another_address(robot):
    for _ in range(11):
        ask(basic(robot.client_id, "x"))
    elsewhere = NOBODY.http.post(
        "/oauth/token", "grant_type=refresh_token&refresh_token=x", headers=basic(robot.client_id),
        content_type="application/x-www-form-urlencoded", REMOTE_ADDR="203.0.113.7",
    )  # fmt: skip
    assert is_in(elsewhere)


def test_an_address_that_tries_many_clients_waits_too(robot):
    now = timezone.now()
    for number in range(60):
        failures.note("2001:db8::1", f"client {number}", now)
    assert failures.wait("2001:db8::ffff", "another", now) == 1
    assert failures.wait("2001:db8:0:1::1", "another", now) == 0
    assert failures.wait("2001:db8::1", "another", now + timedelta(seconds=1)) == 0


def test_the_memory_of_failures_is_bounded():
    limit, now = failures.Limit(most=2, every=1), timezone.now()
    for number in range(failures.MOST_KEPT + 5):
        limit.note(str(number), now)
    assert len(limit._full_at) == failures.MOST_KEPT


def test_a_long_row_of_failures_is_over_after_a_minute():
    now = timezone.now()
    for _ in range(500):
        failures.note("192.0.2.1", "x", now)
    assert failures.wait("192.0.2.1", "x", now) == 6
    assert failures.wait("192.0.2.1", "x", now + timedelta(minutes=1)) == 0


def test_the_last_use_is_noted_once_a_minute(acme, work, time_machine):
    application, now = make_machine(acme, work), timezone.now()
    for seconds, noted in ((0, 0), (30, 0), (61, 61)):
        time_machine.move_to(now + timedelta(seconds=seconds), tick=False)
        Program(application).credentials()
        application.refresh_from_db()
        assert application.last_used_at == now + timedelta(seconds=noted)


def database_gone(execute, sql, params, many, context):
    raise OperationalError("the database is gone")


@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_database_that_is_gone_is_said_in_the_form_of_the_rfc(path):
    with connection.execute_wrapper(database_gone):
        answer = ask(basic("robot"), path, token="x")
    assert error_of(answer) == (503, "temporarily_unavailable")
    assert answer["Retry-After"] == "5"


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("charset", ["utf-16", "hex"])
def test_a_form_in_another_encoding_is_refused_in_the_form_of_the_rfc(path, charset):
    kind = f"application/x-www-form-urlencoded; charset={charset}"
    answer = NOBODY.http.generic("POST", path, b"token=x", content_type=kind)
    assert error_of(answer) == (400, "invalid_request")


def test_a_secret_stored_in_another_way_lets_nobody_in(robot):
    Application.objects.filter(pk=robot.pk).update(client_secret=make_password(SECRET))
    for secret in (SECRET, "nobody's", ""):
        assert error_of(ask(basic(robot.client_id, secret))) == (401, "invalid_client")
