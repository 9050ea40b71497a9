import re
from urllib.parse import quote

import pytest
from django.db import OperationalError, connection
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone

from nexus import middleware, views
from profiles.events import Action, Event
from tests.cast import make_token
from tokens import keys

ID = re.compile(r"[0-9a-f-]{36}")


@pytest.fixture
def logged(monkeypatch):
    """Return the list of what the request log gets."""
    found = []
    monkeypatch.setattr(middleware.logger, "log", lambda level, event, **members: found.append(members))
    return found


@pytest.mark.django_db
def test_every_answer_has_a_request_id(client):
    answers = [client.get(path) for path in ("/accounts/login/", "/nowhere/", "/api/v1/nowhere")]
    ids = [answer["X-Request-Id"] for answer in answers]
    assert all(ID.fullmatch(name) for name in ids)
    assert len(set(ids)) == 3


@pytest.mark.django_db
def test_a_client_cannot_name_its_request(client, settings):
    claimed = {"x-request-id": "chosen-by-client"}
    assert client.get("/accounts/login/", headers=claimed)["X-Request-Id"] != "chosen-by-client"
    settings.NEXUS_TRUSTED_PROXIES = 1
    assert client.get("/accounts/login/", headers=claimed)["X-Request-Id"] == "chosen-by-client"


def test_the_address_is_the_one_that_the_trusted_proxies_saw(settings):
    request = RequestFactory().get("/", headers={"x-forwarded-for": "6.6.6.6, 203.0.113.7"}, REMOTE_ADDR="10.0.0.1")
    see_address = middleware.client_address(lambda request: HttpResponse(request.META["REMOTE_ADDR"]))
    assert see_address(request).content == b"10.0.0.1"
    settings.NEXUS_TRUSTED_PROXIES = 1
    assert see_address(request).content == b"203.0.113.7"


@pytest.mark.django_db
def test_a_foreign_host_header_is_refused(client):
    assert client.get("/accounts/login/", headers={"host": "evil.example"}).status_code == 400


@pytest.mark.django_db
def test_pages_of_a_signed_in_person_stay_out_of_caches(client, alice):
    assert "Cache-Control" not in client.get("/nowhere/")
    client.force_login(alice)
    assert client.get("/nowhere/")["Cache-Control"] == "no-store"


@pytest.mark.django_db
def test_moments_are_shown_in_the_persons_zone(alice):
    alice.time_zone = "Asia/Tokyo"
    request = RequestFactory().get("/")
    request.user = alice
    shown = middleware.time_zone(lambda request: HttpResponse(timezone.get_current_timezone_name()))(request)
    assert shown.content == b"Asia/Tokyo"
    assert timezone.get_current_timezone_name() == "UTC"


@pytest.mark.django_db
def test_the_request_log_has_no_query_and_no_one_time_secret(client, logged):
    client.get("/accounts/link/SO-VZcRKzmeoWoRPeiFkuU2IkPWb0p2Kp7-cKaWRjtQ/?token=hunter22")
    assert logged[-1]["path"] == "/accounts/link/…/"
    assert "hunter22" not in str(logged)
    assert {"method", "path", "status", "ms", "address"} <= set(logged[-1])


@pytest.mark.django_db
def test_a_database_that_is_down_is_503_and_says_that_nothing_was_changed(client, alice):
    client.force_login(alice)
    client.raise_request_exception = False

    def refuse(execute, sql, params, many, context):
        raise OperationalError("server closed the connection")

    with connection.execute_wrapper(refuse):
        page = client.get("/")
        problem = client.get("/", headers={"accept": "application/json"})
    assert page.status_code == problem.status_code == 503
    assert page["Retry-After"] == "5"
    assert "Nothing was changed" in page.content.decode()
    assert problem["Content-Type"] == "application/problem+json"
    assert problem.json()["request_id"] == problem["X-Request-Id"]


def test_an_exception_nobody_caught_is_500_without_details():
    response = views.server_error(RequestFactory().get("/"))
    assert response.status_code == 500
    assert "Something went wrong" in response.content.decode()


@pytest.mark.django_db
def test_a_form_in_another_encoding_is_refused_in_plain_words(alice):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    browser.get("/settings/")
    answer = browser.post("/settings/", b"x=1", content_type="application/x-www-form-urlencoded; charset=utf-16")
    assert answer.status_code == 400
    assert "Nothing was changed" in answer.text


def test_a_form_without_its_csrf_token_is_refused_in_plain_words(alice):
    client = Client(enforce_csrf_checks=True)
    response = client.post("/accounts/login/", {"login": "x"})
    assert response.status_code == 403
    assert "Nothing was changed" in response.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "address",
    [
        "/install/?api_key={}", "/?token={}", "/{}/", "/accounts/login/?next=%2F%3Ftoken%3D{}", "/static/x.css?v={}",
        "/?next=%252F%253Ftoken%253D{}", "/admin/?q={}", "/?token={}&again={}", "/api/v1/tokens?x={}",
    ],
)  # fmt: skip
def test_an_address_with_a_token_is_refused_and_its_owner_told(client, alice, work, address):
    secret = make_token(alice, work).key.text
    written = quote(secret).replace("nxs_", "nxs%5F") if "api_key" in address else secret
    answer = client.get(address.replace("{}", written))
    assert answer.status_code == 400
    assert "holds a token" in answer.content.decode()
    assert secret not in answer.content.decode() + str(answer.headers)
    event = Event.objects.get(action=Action.TOKEN_IN_URL)
    assert event.account_id == work.account_id
    assert secret not in str(vars(event))


@pytest.mark.django_db
def test_a_guess_in_an_address_is_refused_and_leaves_no_trace(client):
    assert client.get(f"/?token={keys.make(keys.Kind.DELEGATED).text}").status_code == 400
    assert not Event.objects.filter(action=Action.TOKEN_IN_URL).exists()
