"""The schema of the REST API: it changes in the open, and every answer keeps to it, whatever is asked."""

import json
from contextlib import contextmanager
from pathlib import Path

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from nexus.api import schema_json
from profiles.models import Authorization, Grant, Invitation
from profiles.permissions import Role
from tests import cast
from tests.activity.calls import make_call, make_finding
from tests.security.pages import browser
from tokens.models import Webhook

COMMITTED = Path(__file__).parents[1] / "openapi.json"
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
]  # fmt: skip


def by_each_mode():
    """Return every operation twice: to be asked as the schema has it, and as it has it not."""
    schema = schemathesis.openapi.from_dict(json.loads(schema_json()))
    schema.app = WSGIHandler()
    operations = sorted((result.ok() for result in schema.get_all_operations()), key=lambda each: each.label)
    return [(operation, mode) for operation in operations for mode in GenerationMode]


def test_the_committed_schema_is_the_one_that_is_served():
    """`make openapi` writes it; look at what changes there, for clients read it too."""
    assert json.loads(COMMITTED.read_text()) == json.loads(schema_json())


def test_every_act_says_what_it_is_and_what_it_needs():
    for path, methods in json.loads(schema_json())["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert {"400", "401", "403", "429"} <= set(operation["responses"]), (method, path)


def test_whoever_may_ask_may_read_the_schema(client, alice, acme):
    _, secret = cast.make_key(alice, acme, ["activity:read"])
    assert client.get("/api/v1/schema").status_code == 401
    answer = client.get("/api/v1/schema", headers={"authorization": f"Bearer {secret}"})
    assert (answer.status_code, answer.json()["openapi"]) == (200, "3.1.0")


@pytest.fixture
def things(alice, bob, acme, work):
    """Return by the parameter of a path, and by the noun before it, the ids of Acme's things."""
    now, by = timezone.now(), cast.OPERATOR
    server = work.servers.get()
    server.sign_in_by("bearer", by=by, now=now)
    token, (key, _) = cast.make_token(alice, work).token, cast.make_key(alice, acme)
    make_call(token)
    hook, _ = Webhook.objects.add(
        acme, url="http://127.0.0.1:9/", description="", kinds=["token.revoked"], by=by, now=now
    )
    application = cast.make_application(acme, "Desk", redirect_uris="https://desk.example.com/callback")
    invitation, _ = Invitation.objects.invite(acme, "dora@example.com", Role.MEMBER, inviter=alice, by=by, now=now)
    authorization = Authorization.objects.connect(server, acme, alice, Grant("s3cret"), by=by, now=now)
    return {
        "accounts": acme.pk, "members": acme.members.get(user=bob).pk, "servers": server.pk, "profiles": work.pk,
        "authorizations": authorization.pk, "webhooks": hook.pk, "policies": work.pk, "invitations": invitation.pk,
        "tokens": token.public_id, "keys": key.public_id, "findings": make_finding(token).pk, "applications": application.client_id,
        "connections": cast.make_access_token(alice, work, application)[0].session.connection.public_id,
        "server_pk": server.pk, "entry_pk": work.entries.first().pk, "delivery_pk": hook.send_test(now=now).pk,
    }  # fmt: skip


def real(operation, things):
    """Return the real ids for the parameters of the path."""
    noun = operation.path.split("/")[3]
    names = [parameter.name for parameter in operation.path_parameters]
    return {name: str(things.get(name, things.get(noun, "x"))) for name in names}


@contextmanager
def connections_stay():
    """Keep what ends a request from closing the connection that the test's transaction is on, as Django's client does."""
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    try:
        yield
    finally:
        request_started.connect(close_old_connections)
        request_finished.connect(close_old_connections)


def ask_much(operation, mode, things, person, examples):
    """Send generated requests, half of them to what is there; each is undone, so that the next finds it too."""
    cookies, csrf = (
        {"nexus_session": person.cookies["nexus_session"].value, "nexus_csrf": "a" * 32},
        {"X-CSRFToken": "a" * 32},
    )
    cases = operation.as_strategy(generation_mode=mode)
    if names := real(operation, things):
        cases = st.one_of(operation.as_strategy(generation_mode=mode, path_parameters=names), cases)

    @seed(1)
    @settings(
        max_examples=examples, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=cases)
    def run(case):
        with transaction.atomic(), connections_stay():
            answer = case.call(cookies=cookies, headers=csrf)
            transaction.set_rollback(True)
        case.validate_response(answer, checks=CHECKS)

    run()


@pytest.mark.django_db(databases="__all__")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(600)
def test_answers_keep_to_the_schema(settings, things, alice):
    settings.NEXUS_RATE_REST = 1_000_000
    person = browser(alice)
    for operation, mode in by_each_mode():
        ask_much(operation, mode, things, person, examples=1 + mode.is_positive)


@pytest.mark.slow
@pytest.mark.django_db(databases="__all__")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(900)
def test_answers_keep_to_the_schema_however_long_one_asks(settings, things, alice):
    settings.NEXUS_RATE_REST = 1_000_000
    person = browser(alice)
    for operation, mode in by_each_mode():
        ask_much(operation, mode, things, person, examples=40)
