"""Installing a token for less than its toolkit: the form, what the model refuses, and where it is shown."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from profiles.events import Action, Event
from tests import cast
from tests.cast import PASSWORD
from tokens.models import DelegatedToken

WEEK = timedelta(days=7)


@pytest.fixture
def form(work):
    work.entries.filter(exposed_name="echo__echo").update(is_marked_read_only=True)
    return {"toolkit": str(work.pk), "name": "n8n", "life": "7", "request_key": str(uuid4())}


def text(answer):
    return answer.content.decode()


def test_what_is_left_empty_narrows_nothing(as_alice, form):
    assert as_alice.post("/install/", form).status_code == 200
    token = DelegatedToken.objects.get()
    assert (token.tools, token.is_read_only, token.networks) == (None, False, [])
    assert (token.call_cap, token.pause_unused_after) == (None, None)


def test_what_is_chosen_is_stored_in_one_form_and_in_the_event(as_alice, form):
    chosen = {
        "tools": ["echo__echo"], "is_read_only": "on", "networks": "\r\n 10.0.0.0/8 \r\n::ffff:10.0.0.0/104\r\n2001:DB8::/32\r\n",
        "call_cap": "1000", "pause_unused_after": "14",
    }  # fmt: skip
    assert as_alice.post("/install/", {**form, **chosen}).status_code == 200
    token = DelegatedToken.objects.get()
    assert (token.tools, token.is_read_only) == (["echo__echo"], True)
    assert token.networks == ["10.0.0.0/8", "2001:db8::/32"]
    assert (token.call_cap, token.pause_unused_after) == (1000, timedelta(days=14))
    said = Event.objects.get(action=Action.TOKEN_ISSUED).after
    assert (said["tools"], said["call_cap"], said["networks"]) == (["echo__echo"], 1000, token.networks)
    page = text(as_alice.get(f"/tokens/{token.public_id}/"))
    for shown in ("echo__echo", "10.0.0.0/8", "2001:db8::/32", "0 of 1,000", "after 14 days", "Only reads"):
        assert shown in page


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("tools", ["echo__add"], "does not offer echo__add"),
        ("tools", ["<script>alert(1)</script>"], "does not offer &lt;script&gt;"),
        ("networks", "10.0.0.1/8", "Write 10.0.0.0/8"),
        ("networks", "010.0.0.1", "“010.0.0.1” is not a range"),
        ("networks", "everywhere", "“everywhere” is not a range"),
        ("networks", "\n".join(f"10.0.{number}.0/24" for number in range(21)), "At most 20 ranges; these are 21"),
        ("networks", "1" * 4001, "at most 4000"),
        ("call_cap", "0", "from 1 to 1,000,000,000"),
        ("call_cap", "-1", "from 1 to 1,000,000,000"),
        ("call_cap", "1000000001", "from 1 to 1,000,000,000"),
        ("call_cap", "1e3", "from 1 to 1,000,000,000"),
        ("call_cap", "NaN", "from 1 to 1,000,000,000"),
        ("pause_unused_after", "13", "Choose never, 14 or 21 days"),
        ("pause_unused_after", "never", "Choose never, 14 or 21 days"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_cannot_be_is_refused_before_anything_is_asked(stale_alice, form, field, value, says):
    answer = stale_alice.post("/install/", {**form, field: value})
    assert answer.status_code == 422
    assert says in text(answer)
    assert re.search(r"<details class=\"narrow\"[^>]* open", text(answer))
    assert not DelegatedToken.objects.exists()


def test_every_wrong_line_is_named(as_alice, form):
    page = text(as_alice.post("/install/", {**form, "networks": "10.0.0.0/8\nfoo\nbar"}))
    assert "“foo”" in page
    assert "“bar”" in page
    assert "10.0.0.0/8\nfoo\nbar" in page


def test_a_read_only_token_needs_a_tool_that_reads(as_alice, form, work):
    work.entries.update(is_marked_read_only=False)
    answer = as_alice.post("/install/", {**form, "is_read_only": "on"})
    assert answer.status_code == 422
    assert "is marked as only reading" in text(answer)


def test_nothing_of_it_is_lost_by_a_confirmation(stale_alice, form):
    chosen = {"tools": ["echo__echo"], "networks": "10.0.0.0/8", "call_cap": "7", "pause_unused_after": "21"}
    assert stale_alice.post("/install/", {**form, **chosen}).status_code == 303
    stale_alice.post("/accounts/confirm/", {"password": PASSWORD, "next": "/install/"})
    page = text(stale_alice.get("/install/"))
    assert re.search(r'name="tools" value="echo__echo" checked', page)
    assert "10.0.0.0/8" in page
    assert re.search(r'name="call_cap"[^>]*value="7"|value="7"[^>]*name="call_cap"', page)
    assert '<option value="21" selected' in page
    assert re.search(r"<details class=\"narrow\"[^>]* open", page)


def test_the_tools_are_those_of_the_chosen_toolkit_without_a_script_after_a_look(as_alice, form, acme):
    page = text(as_alice.get("/install/?profile=work&client=curl"))
    assert 'name="tools" value="echo__echo">' in page
    assert "echo__add" not in page
    assert not re.search(r"<details class=\"narrow\"[^>]* open", page)
    sales = cast.make_toolkit(acme, "sales", cast.make_server("sums"), allowed=["add"])
    page = text(as_alice.post("/install/preview/", {**form, "toolkit": str(sales.pk)}))
    assert 'name="tools" value="sums__add">' in page
    assert "echo__echo" not in page


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({"tools": []}, "tools"), ({"tools": ["add"]}, "tools"), ({"networks": ["x"]}, "networks"), ({"call_cap": 0}, "call_cap"),
        ({"pause_unused_after": timedelta(days=13)}, "pause_unused_after"), ({"is_read_only": True}, "is_read_only"),
    ],
    ids=["no tool", "strange tool", "no range", "no calls", "early pause", "nothing reads"],
)  # fmt: skip
def test_the_model_refuses_it_whoever_asks(alice, work, limits, field):
    with pytest.raises(ValidationError) as refused:
        cast.make_token(alice, work, **limits)
    assert list(refused.value.message_dict) == [field]
    assert not DelegatedToken.objects.exists()


def test_a_successor_is_kept_to_the_same(alice, work):
    limits = {"tools": ["echo__echo"], "networks": ["10.0.0.0/8"], "call_cap": 9, "pause_unused_after": WEEK * 2}
    old = cast.make_token(alice, work, **limits).token
    DelegatedToken.objects.filter(pk=old.pk).update(calls_taken=4)
    new = old.replace(by=cast.OPERATOR, now=timezone.now()).token
    assert {name: getattr(new, name) for name in limits} == limits
    assert new.calls_taken == 4
