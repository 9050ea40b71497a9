"""Row 30: an id of somebody else's is no key: every address with an id × whoever has no business there."""

import json
import uuid

import pytest
from django.core import serializers
from django.test import Client
from django.utils import timezone

from activity.models import Finding
from nexus.api import schema_json
from profiles.models import Account, Authorization, Grant, Invitation, Member, Server, Toolkit
from profiles.permissions import Role
from tests import cast, rest
from tests.activity.calls import make_finding
from tokens.models import Application, DelegatedToken, ManagementKey, Policy, Webhook, WebhookDelivery
from tokens.scopes import SCOPES

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
WATCHED = (Account, Authorization, Invitation, Member, Server, Toolkit, Application, DelegatedToken, ManagementKey,
           Policy, Webhook, WebhookDelivery, Finding)  # fmt: skip
READS = tuple(scope for scope in SCOPES if scope.endswith(":read"))


def addresses_with_ids():
    return [
        (method, path.removeprefix("/api/v1/"))
        for path, methods in json.loads(schema_json())["paths"].items()
        for method in methods
        if "{" in path
    ]


@pytest.fixture
def ids(alice, bob, acme, work):
    """Return the ids of Acme's things, by the noun or the parameter that they stand for."""
    now, by = timezone.now(), cast.OPERATOR
    own = cast.make_server("own", account=acme)
    own.sign_in_by("bearer", by=by, now=now)
    work.add_server(own, allowed=[], by=by, now=now)
    hook, _ = Webhook.objects.add(
        acme, url="http://127.0.0.1:9/", description="", kinds=["token.revoked"], by=by, now=now
    )
    invitation, _ = Invitation.objects.invite(acme, "dora@example.com", Role.MEMBER, inviter=alice, by=by, now=now)
    return {
        "accounts": acme.pk, "members": Member.objects.get(account=acme, user=bob).pk, "servers": own.pk,
        "profiles": work.pk, "policies": work.pk, "invitations": invitation.pk, "webhooks": hook.pk,
        "authorizations": Authorization.objects.connect(own, acme, alice, Grant("s3cret"), by=by, now=now).pk,
        "tokens": cast.make_token(alice, work).token.public_id, "keys": cast.make_key(alice, acme)[0].public_id,
        "applications": cast.make_application(acme, "Desk").client_id, "activity": uuid.uuid4(), "findings": make_finding(cast.make_token(alice, work, "ci").token).pk, "server_pk": own.pk,
        "entry_pk": work.entries.first().pk, "delivery_pk": hook.send_test(now=now).pk,
        "connections": cast.make_access_token(alice, work, cast.make_application())[0].session.connection.public_id,
    }  # fmt: skip


def filled_in(path, ids):
    noun = path.split("/")[0]
    for name in ("server_pk", "entry_pk", "delivery_pk"):
        path = path.replace(f"{{{name}}}", str(ids[name]))
    return (
        path.replace("{id}", str(ids[noun]))
        .replace("{public_id}", str(ids[noun]))
        .replace("{client_id}", str(ids[noun]))
    )


def snapshot():
    of_keys = ["stage", "revoked_at", "expires_at", "scopes"]  # when one was last used may change
    return {
        model: serializers.serialize(
            "json", model.objects.order_by("pk"), fields=of_keys if model is ManagementKey else None
        )
        for model in WATCHED
    }


def strangers(charlie, acme, work):
    """Return who has no business with Acme, each by name."""
    beta = cast.make_account("Beta", owner=charlie)
    gone = cast.make_user("Eve")
    acme.add_member(gone, "admin", by=cast.OPERATOR, now=timezone.now()).remove(by=cast.OPERATOR, now=timezone.now())
    token = cast.make_token(charlie, cast.make_toolkit(beta, "beta", cast.make_server("b"), allowed=["echo"])).key.text
    return {
        "anonymous": rest.Asker(Client()), "another organization's owner": rest.person(charlie, beta),
        "an ex-member": rest.person(gone), "a delegated token": rest.Asker(Client(), token),
        "a key of another organization": rest.key(charlie, beta, *SCOPES),
    }  # fmt: skip


def test_nobody_without_business_there_reads_or_changes_anything(ids, alice, charlie, acme, work, settings):
    settings.NEXUS_RATE_REST = 10_000
    askers = strangers(charlie, acme, work)
    before = snapshot()
    for method, path in addresses_with_ids():
        for name, ask in askers.items():
            answer = ask(method, filled_in(path, ids), {} if method in ("post", "put", "patch") else None)
            expected = (401,) if name == "anonymous" else (403,) if "token" in name else (400, 404)
            assert answer.status_code in expected, (name, method, path, answer.content)
            assert "Acme" not in answer.content.decode(), (name, method, path)
    after = snapshot()
    assert [model.__name__ for model in WATCHED if before[model] != after[model]] == []


def test_a_key_that_only_reads_and_a_plain_member_change_nothing(ids, alice, bob, acme, settings):
    settings.NEXUS_RATE_REST = 10_000
    askers = [rest.key(alice, acme, *READS, name="Reader"), rest.person(bob, acme)]
    before = snapshot()
    for method, path in addresses_with_ids():
        if method == "get":
            continue
        for ask in askers if not path.endswith("/leave") else askers[:1]:  # of their own place, a member may
            answer = ask(method, filled_in(path, ids), {} if method in ("post", "put", "patch") else None)
            assert answer.status_code in (400, 403, 404), (method, path, answer.content)
    after = snapshot()
    changed = [model.__name__ for model in WATCHED if before[model] != after[model]]
    assert changed == []


@pytest.mark.parametrize("noun", ["tokens", "profiles", "servers", "authorizations", "applications", "webhooks", "keys",
                                  "members", "invitations", "activity/events", "findings"])  # fmt: skip
def test_lists_filters_and_orderings_leak_nothing(ids, charlie, acme, noun):
    ask = rest.person(charlie)
    assert ask.rows(f"{noun}?account={acme.pk}") == []
    for query in (
        "user=1",
        "owner=alice@example.com",
        "ordering=owner__email",
        "account__name=Acme",
        "owner__password=x",
    ):
        assert ask("get", f"{noun}?{query}").status_code == 400
