"""Row 58: the guide's receiver refuses what is forged, old or altered; Nexus posts to no address of rows 51 to 54."""

import ipaddress
import json
import threading
import time
import urllib.error
import urllib.request
from http.server import ThreadingHTTPServer

import pytest
from django.utils import timezone

from tests import cast
from tests.hub.test_http_connect import silent_port
from tests.live import free_port
from tests.receivers import running_receiver, sample
from tests.security.pages import browser
from tests.security.test_row_51_forbidden_addresses import LOOPBACK, METADATA, NOT_HTTP, PRIVATE
from tests.upstreams import running_recorder
from tokens import webhooks
from tokens.models import Webhook, WebhookDelivery

pytestmark = pytest.mark.django_db(databases="__all__")


def add(account, url):
    return Webhook.objects.add(
        account, url=url, description="", kinds=["token.revoked"], by=cast.OPERATOR, now=timezone.now()
    )


@pytest.fixture
def captured(acme, alice, work):
    """A secret, and headers and body of a message that was signed with it."""
    with running_receiver() as receiver:
        _, secret = add(acme, receiver.url)
        cast.make_token(alice, work).token.revoke(by=cast.OPERATOR, reason="leaked", now=timezone.now())
        webhooks.send_due(clock=timezone.now)
        headers, body = receiver.received[0]
    return secret, headers, body


@pytest.fixture
def guide(captured, monkeypatch):
    """The guide's receiver, running, and a function that posts to it and returns the status."""
    module = sample()
    monkeypatch.setenv("NEXUS_WEBHOOK_SECRET", captured[0])
    monkeypatch.setattr(module.Receiver, "log_message", lambda *arguments: None)
    server = ThreadingHTTPServer(("127.0.0.1", 0), module.Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def post(headers, body):
        request = urllib.request.Request(f"http://127.0.0.1:{server.server_address[1]}/", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    yield post
    server.shutdown()
    server.server_close()
    thread.join(10)


def own(headers):
    return {name: value for name, value in headers.items() if name.startswith("webhook-")}


def test_a_message_is_taken_once_and_answered_again(guide, captured, capsys):
    _, headers, body = captured
    assert [guide(own(headers), body) for _ in range(2)] == [204, 204]
    assert capsys.readouterr().out.count("token.revoked") == 1


def other_moment(seconds):
    return lambda headers, body: (
        headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + seconds)},
        body,
    )


FORGED = {
    "another id": lambda headers, body: (headers | {"webhook-id": "0" * 36}, body),
    "older": other_moment(-1),
    "newer": other_moment(1),
    "altered body": lambda headers, body: (headers, body.replace(b"revoked", b"expired")),
    "members in another order": lambda headers, body: (
        headers, json.dumps(dict(reversed(json.loads(body).items()))).encode()
    ),
    "no signature": lambda headers, body: (headers | {"webhook-signature": ""}, body),
    "another signature": lambda headers, body: (headers | {"webhook-signature": "v1," + "A" * 43 + "="}, body),
    "another version": lambda headers, body: (
        headers | {"webhook-signature": headers["webhook-signature"].replace("v1,", "v2,")}, body
    ),
    "no moment": lambda headers, body: (headers | {"webhook-timestamp": ""}, body),
    "no number": lambda headers, body: (headers | {"webhook-timestamp": "now"}, body),
}  # fmt: skip


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_the_receiver_refuses_what_is_forged(guide, captured, forge):
    _, headers, body = captured
    assert guide(*forge(own(headers), body)) == 401


@pytest.mark.parametrize("seconds", [301, -301, 86400], ids=["too old", "of the future", "a day old"])
def test_the_receiver_refuses_what_is_not_of_now(captured, seconds):
    secret, headers, body = captured
    moment = int(headers["webhook-timestamp"])
    assert sample().verified(secret, headers, body, moment)
    assert not sample().verified(secret, headers, body, moment + seconds)


def test_another_secret_verifies_nothing(captured):
    _, headers, body = captured
    assert not sample().verified("whsec_" + "A" * 43 + "=", headers, body, time.time())


def test_either_signature_of_an_overlap_is_enough(captured):
    secret, headers, body = captured
    two = headers | {"webhook-signature": "v1," + "A" * 43 + "= " + headers["webhook-signature"]}
    assert sample().verified(secret, two, body, time.time())


# Where Nexus posts


@pytest.fixture
def alices(alice, acme):
    client = browser(alice)
    client.post("/settings/account/", {"account": str(acme.pk)})
    return client


def said(client, url):
    page = client.post("/settings/webhooks/new/", {"url": url, "kinds": ["token.revoked"]})
    assert page.status_code == 422, url
    assert not Webhook.objects.exists()
    return page.content.decode()


def https(url):
    return url.replace("http://", "https://")


@pytest.mark.parametrize("url", [*METADATA, *PRIVATE, *NOT_HTTP])
def test_no_form_takes_a_forbidden_address(alices, settings, url):
    settings.NEXUS_ALLOWED_NETWORKS = []
    said(alices, https(url))
    said(alices, url)


@pytest.mark.parametrize("url", LOOPBACK)
def test_a_receiver_on_this_machine_is_not_even_connected_to(acme, settings, url):
    settings.NEXUS_ALLOWED_NETWORKS = []
    with running_recorder() as inner:
        port = inner.url.rpartition(":")[2].partition("/")[0]
        for address in (url.format(port), https(url.format(port))):
            outcome = webhooks.post(address, b"{}", b"")
            assert outcome.status is None
            assert outcome.error
        assert inner.connections == 0


@pytest.mark.parametrize("url", METADATA)
def test_no_setting_of_the_operator_opens_a_metadata_service(settings, url):
    settings.NEXUS_ALLOWED_NETWORKS = [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")]
    outcome = webhooks.post(https(url), b"{}", b"")
    assert outcome.status is None
    assert "metadata service" in outcome.error or "not an address" in outcome.error


def test_an_address_that_got_into_the_database_is_refused_at_the_attempt(acme, alice, work, settings):
    settings.NEXUS_ALLOWED_NETWORKS = []
    add(acme, "https://10.0.0.1/hook")
    cast.make_token(alice, work).token.revoke(by=cast.OPERATOR, reason="leaked", now=timezone.now())
    webhooks.send_due(clock=timezone.now)
    delivery = WebhookDelivery.objects.get()
    assert (delivery.status, delivery.state) == (None, "waiting")
    assert "not a public address" in delivery.error


def test_plain_http_is_for_this_machine_in_an_embedded_run_alone(settings):
    with running_receiver() as receiver:
        settings.NEXUS_PRODUCTION = True
        settings.NEXUS_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
        assert "https" in webhooks.post(receiver.url, b"{}", b"").error
        assert receiver.received == []
        settings.NEXUS_PRODUCTION = False
        assert webhooks.post(receiver.url, b"{}", b"").status == 204
    assert "https" in webhooks.post("http://192.0.2.7/", b"{}", b"").error


def test_open_closed_and_filtered_ports_look_the_same(alices, settings, monkeypatch):
    settings.NEXUS_ALLOWED_NETWORKS = []
    monkeypatch.setattr("profiles.upstream.http.CONNECT_TIMEOUT", 0.2)
    with running_recorder() as recorder, silent_port("127.0.0.1") as filtered:
        ports = [int(recorder.url.rpartition(":")[2].partition("/")[0]), free_port(), filtered]
        errors = {webhooks.post(f"https://127.0.0.1:{port}/", b"{}", b"").error for port in ports}
        assert len(errors) == 1
        assert all("is not a public address" in said(alices, f"https://127.0.0.1:{port}/") for port in ports)
        assert recorder.connections == 0


@pytest.mark.parametrize("mode", ["hang", "endless headers", "garbage", "half"])
def test_what_does_not_end_well_is_a_bounded_failure(monkeypatch, mode):
    monkeypatch.setattr("profiles.upstream.fetch.TIMEOUT", 0.5)
    with running_recorder() as recorder:
        recorder.mode = mode
        begun = time.monotonic()
        outcome = webhooks.post(recorder.url, b"{}", b"")
        assert time.monotonic() - begun < 5
        assert len(outcome.response) <= 2100
        assert len(outcome.error) < 300
