"""What may be called beside what was, and tightening to it: shown before it is done, and never wider."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from profiles.events import Action, Event
from profiles.models import ToolkitTool
from tests import cast
from tests.activity.calls import count_calls, make_call, make_calls
from tests.activity.conftest import browser_of
from tokens.models import Authority, DelegatedToken

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]

TOOLS = ("delete", "echo", "read", "write")


@pytest.fixture
def home(acme):
    return cast.make_toolkit(acme, "home", cast.make_server("git", TOOLS), allowed=["echo", "read", "write"],
                             offers_resources=True)  # fmt: skip


@pytest.fixture
def token(alice, home):
    return cast.make_token(alice, home, "CI").token


def called(token, which, times=1, **fields):
    moments = [timezone.now() - timedelta(hours=number + 1) for number in range(times)]
    make_calls(token, moments, **{"tool": f"git__{which}", "server": "git"} | fields)
    count_calls()


def path_of(token):
    return f"/tokens/{token.public_id}/tighten/"


def kept(page):
    return sorted(re.findall(r'value="(git__\w+)" checked', page))


def would_refuse(page):
    rows = re.search(r"<caption[^>]*>What would have been refused.*?</table>", page, re.DOTALL)
    return (
        re.findall(r"<bdi>([^<]*)</bdi></th><td data-label=\"Calls\" class=\"number\">(\d+)", rows[0]) if rows else []
    )


def names(*tools):
    return [f"git__{tool}" for tool in tools]


def test_granted_stands_beside_used(at_acme, token):
    called(token, "echo", 3)
    called(token, "read", 1, outcome="tool_error")
    called(token, "write", 2, outcome="refused")
    called(token, "gone", 2)
    page = at_acme.get(f"/tokens/{token.public_id}/activity/").content.decode()
    assert "2 of 3 tools were called in the last 30 days" in page
    rows = re.findall(
        r"<bdi>git__(\w+)</bdi>.*?Granted\"[^>]*>([\w ]+).*?Calls\" class=\"number\">([\w ]+)", page, re.DOTALL
    )
    assert rows == [
        ("echo", "yes", "3"),
        ("read", "yes", "1"),
        ("write", "yes", "never used"),
        ("gone", "no longer", "2"),
    ]
    assert f'href="{path_of(token)}"' in page


def test_calls_of_more_than_thirty_days_ago_grant_nothing(at_acme, token):
    make_call(token, timezone.now() - timedelta(days=31), tool="git__echo", server="git")
    count_calls()
    assert "0 of 3 tools were called" in at_acme.get(f"/tokens/{token.public_id}/activity/").content.decode()


def test_it_first_shows_the_smaller_list_and_what_it_would_have_refused(at_acme, token):
    called(token, "echo", 3)
    called(token, "read", 2)
    called(token, "", 4, tool="", method="resources/read")
    page = at_acme.get(path_of(token)).content.decode()
    assert kept(page) == names("echo", "read")
    assert would_refuse(page) == [("resources and prompts of git", "4")]
    page = at_acme.post(path_of(token), {"keep": names("echo"), "look": "1"}).content.decode()
    assert kept(page) == names("echo")
    assert would_refuse(page) == [("git__read", "2"), ("resources and prompts of git", "4")]
    assert "<strong>6</strong> would have been refused" in page
    token.refresh_from_db()
    assert token.tools is None


def test_one_press_keeps_it_to_what_was_used(at_acme, token):
    called(token, "echo", 3)
    epoch = Authority.objects.get().epoch
    answer = at_acme.post(path_of(token), {"keep": names("echo")}, follow=True)
    token.refresh_from_db()
    assert token.tools == names("echo")
    assert "is kept to 1 tool: others are refused" in answer.content.decode()
    assert Authority.objects.get().epoch == epoch + 1
    event = Event.objects.get(action=Action.TOKEN_NARROWED)
    assert (event.before, event.after, event.actor_label) == (
        {"tools": None},
        {"tools": names("echo")},
        "alice@example.com",
    )
    assert "Tighten to what was used" not in answer.content.decode()
    answer = at_acme.post(path_of(token), {"keep": names("echo")}, follow=True)
    assert "Nothing was changed" in answer.content.decode()
    assert Event.objects.filter(action=Action.TOKEN_NARROWED).count() == 1


def test_a_token_is_only_ever_narrowed(at_acme, alice, home):
    token = cast.make_token(alice, home, "few", tools=names("echo", "read")).token
    called(token, "echo")
    for wanted in (names("echo", "write"), names("delete"), ["x" * 3000], [], ["<img src=x>"]):
        answer = at_acme.post(path_of(token), {"keep": wanted})
        assert answer.status_code == 422, wanted
        assert "<img src=x>" not in answer.content.decode()
    token.refresh_from_db()
    assert token.tools == names("echo", "read")
    assert token.keep_to_tools(names("read", "write"), by=cast.OPERATOR, now=timezone.now())
    token.refresh_from_db()
    assert token.tools == names("read")


def test_all_generations_and_what_was_exchanged_for_them_are_kept_to_it(token):
    successor = token.replace(by=cast.OPERATOR, now=timezone.now()).token
    children = {
        tools: DelegatedToken.objects.create(
            public_id=f"child{len(tools):07}", digest=f"{len(tools)}", last_four="abcd", owner=token.owner,
            account=token.account, toolkit=token.toolkit, name="child", issued_at=token.issued_at, parent=token,
            expires_at=token.expires_at, exchanges=1, tools=list(tools) or None,
        )
        for tools in ((), ("git__echo", "git__write"))
    }  # fmt: skip
    assert token.keep_to_tools(names("echo", "read"), by=cast.OPERATOR, now=timezone.now())
    for each, wanted in ((token, names("echo", "read")), (successor, names("echo", "read")),
                         (children[()], names("echo", "read")), (children["git__echo", "git__write"], names("echo"))):  # fmt: skip
        each.refresh_from_db()
        assert each.tools == wanted
    assert Event.objects.filter(action=Action.TOKEN_NARROWED).count() == 4


def test_an_ended_token_is_left_as_it_is(at_acme, token):
    called(token, "echo")
    token.revoke(by=cast.OPERATOR, reason="leaked", now=timezone.now())
    assert "nothing to tighten" in at_acme.get(path_of(token)).content.decode()
    assert "Nothing was changed" in at_acme.post(path_of(token), {"keep": names("echo")}, follow=True).content.decode()
    token.refresh_from_db()
    assert token.tools is None


def test_a_toolkit_is_tightened_by_its_own_verb(at_acme, token, home):
    called(token, "echo", 3)
    called(token, "read", 2)
    ToolkitTool.objects.filter(exposed_name="git__delete").update(is_new=True)
    path = f"/toolkits/{home.pk}/tighten/"
    assert f'href="{path}"' in at_acme.get(f"/toolkits/{home.pk}/activity/").content.decode()
    assert kept(at_acme.get(path).content.decode()) == names("echo", "read")
    page = at_acme.post(path, {"keep": names("echo"), "look": "1"}).content.decode()
    assert would_refuse(page) == [("git__read", "2")]
    answer = at_acme.post(path, {"keep": names("echo", "read")}, follow=True)
    assert "allows 2 tools: others are refused" in answer.content.decode()
    assert sorted(home.allowed_entries().values_list("exposed_name", flat=True)) == names("echo", "read")
    event = Event.objects.filter(action=Action.TOOLKIT_CHANGED).first()
    assert (event.before["allowed"], event.after["allowed"]) == (["echo", "read", "write"], ["echo", "read"])
    assert home.places.get().offers_resources
    assert ToolkitTool.objects.get(exposed_name="git__delete").is_new
    assert "Nothing was changed" in at_acme.post(path, {"keep": names("echo", "read")}, follow=True).content.decode()


@pytest.mark.parametrize("wanted", [[], ["git__delete"], ["git__echo", "x"]])
def test_a_toolkit_is_never_made_wider_or_empty_here(at_acme, home, wanted):
    assert at_acme.post(f"/toolkits/{home.pk}/tighten/", {"keep": wanted}).status_code == 422
    assert home.allowed_entries().count() == 3


def test_only_who_may_can_tighten(client, as_charlie, as_bob, bob, acme, home, token):
    toolkit, alices = f"/toolkits/{home.pk}/tighten/", path_of(token)
    for browser, paths in ((as_charlie, (toolkit, alices)), (as_bob, (toolkit, alices))):
        for path in paths:
            assert browser.get(path).status_code == 404
            assert browser.post(path, {"keep": names("echo")}).status_code == 404
    assert client.post(alices).url.startswith("/accounts/login/")
    own = cast.make_token(bob, home, "of bob").token
    assert browser_of(bob, acme).post(path_of(own), {"keep": names("echo")}).status_code == 302
    own.refresh_from_db()
    assert own.tools == names("echo")
    assert as_bob.put(path_of(own)).status_code == 405
