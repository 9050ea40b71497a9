"""Rows 43 and 44: what clients and servers call themselves is inert wherever Activity shows it."""

import re

import pytest
from django.utils import timezone

from activity.models import Call
from profiles.events import Action, Actor, ActorKind, Event
from tests import cast
from tests.activity.calls import make_call
from tests.security.pages import browser

pytestmark = pytest.mark.django_db(databases="__all__")

HOSTILE = '=<img src=x onerror=alert(1)>"><svg/onload=x>{{7*7}}javascript:\u202e\x07'
TEXTS = [
    field.name
    for field in Call._meta.fields
    if field.get_internal_type() in ("CharField", "TextField") and not field.choices
]


@pytest.fixture
def call(alice, acme, work):
    token = cast.make_token(alice, work).token
    own = {"token_kind": "nxs", "token_public_id": token.public_id}
    Event.record(
        Action.TOKEN_REUSED, by=Actor(ActorKind.TOKEN, "", HOSTILE, HOSTILE[:60], HOSTILE), now=timezone.now(), account=acme,
        subject=token, reason=HOSTILE, before={HOSTILE: HOSTILE}, after={"x": [HOSTILE, {HOSTILE: 1}]},
    )  # fmt: skip
    return make_call(token, **{name: HOSTILE[: Call._meta.get_field(name).max_length or 500] for name in TEXTS} | own)


def test_hostile_names_are_inert_on_every_page_of_activity(call, alice, acme):
    alice.is_staff = alice.is_superuser = True
    alice.save()
    client = browser(alice)
    client.post("/settings/account/", {"account": str(acme.pk)})
    for path in ("/activity/", "/activity/tail/", f"/activity/calls/{call.pk}/", "/activity/events/", "/",
                 "/admin/activity/call/", f"/admin/activity/call/{call.pk}/change/"):  # fmt: skip
        answer = client.get(path)
        page = answer.content.decode()
        assert answer.status_code == 200, path
        assert "<img src=x" not in page, path
        assert "<svg/onload" not in page, path
        assert "49" not in re.findall(r"\{\{7\*7\}\}|>49<", page), path
        if not path.startswith("/admin/"):
            assert not re.search("[\u202e\x07]", page), path


def test_hostile_filters_come_back_inert(alice, acme):
    client = browser(alice)
    for name in ("text", "token", "client", "tool", "server", "address", "toolkit", "range", "since", "before"):
        for path in ("/activity/", "/activity/events/"):
            page = client.get(path, {name: HOSTILE[:90]}).content.decode()
            assert "<img src=x" not in page, (path, name)
            assert "<svg/onload" not in page, (path, name)


def test_no_cell_of_an_export_is_a_formula(call, alice, acme):
    client = browser(alice)
    client.post("/settings/account/", {"account": str(acme.pk)})
    for path in ("/activity/export", "/activity/events/export"):
        text = b"".join(client.post(path, {"format": "csv"}).streaming_content).decode()
        assert not re.search("[\u202e\x07]", text), path
        assert not re.search(r'(?:^|,)"?=', text, re.MULTILINE), path
        assert "'=<img" in text, path
