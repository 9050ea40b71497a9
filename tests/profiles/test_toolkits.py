import re

import pytest
from django.utils import timezone

from profiles.events import Action, Event
from profiles.models import Account, Toolkit
from tests import cast
from tokens.models import DelegatedToken


def test_the_list_shows_the_toolkits_of_the_account(at_acme, work):
    page = at_acme.get("/toolkits/").content.decode()
    assert "Work" in page
    assert "New toolkit" in page


def test_the_list_asks_the_database_as_often_for_twenty_as_for_one(at_acme, acme, work, django_assert_num_queries):
    for number in range(20):
        cast.make_toolkit(acme, f"toolkit-{number}")
    with django_assert_num_queries(6):
        at_acme.get("/toolkits/")


def test_a_toolkit_is_created_and_opened(at_acme, acme):
    answer = at_acme.post("/toolkits/new/", {"name": "Team support", "alias": "support", "description": "For them"})
    toolkit = Toolkit.objects.get(account=acme, is_default=False)
    assert answer.url == f"/toolkits/{toolkit.pk}/"
    assert (toolkit.alias, toolkit.description) == ("support", "For them")
    assert Event.objects.filter(action=Action.TOOLKIT_CREATED, subject_id=str(toolkit.pk)).count() == 1


@pytest.mark.parametrize("alias", ["", "Work", "a b", "-a", "x" * 41, "wörk", "work"])
def test_an_alias_that_cannot_be_is_refused_and_what_was_typed_is_kept(at_acme, work, alias):
    answer = at_acme.post("/toolkits/new/", {"name": "Another name", "alias": alias})
    assert answer.status_code == 422
    assert "Another name" in answer.content.decode()
    assert Toolkit.objects.filter(is_default=False).count() == 1


def test_a_name_with_a_direction_mark_is_refused(at_acme):
    assert at_acme.post("/toolkits/new/", {"name": "a\u202eb", "alias": "ab"}).status_code == 422


def test_a_member_sees_the_toolkit_but_cannot_change_it(as_bob, work):
    page = as_bob.get(f"/toolkits/{work.pk}/").content.decode()
    assert "echo__add" in page
    assert "disabled" in page
    assert "Save" not in page
    server = work.servers.get()
    for path in ["edit/", "delete/", "servers/", f"servers/{server.pk}/tools/", f"servers/{server.pk}/remove/"]:
        assert as_bob.post(f"/toolkits/{work.pk}/{path}").status_code == 404, path
    assert as_bob.get("/toolkits/new/").status_code == 404


def test_a_stranger_gets_404(as_charlie, work):
    server = work.servers.get()
    for path in ["", "edit/", "delete/"]:
        assert as_charlie.get(f"/toolkits/{work.pk}/{path}").status_code == 404, path
    for path in ["servers/", f"servers/{server.pk}/tools/", f"servers/{server.pk}/remove/", "edit/", "delete/"]:
        assert as_charlie.post(f"/toolkits/{work.pk}/{path}").status_code == 404, path


def test_nobody_is_led_to_sign_in(client, work):
    answer = client.get(f"/toolkits/{work.pk}/")
    assert (answer.status_code, answer.url) == (302, f"/accounts/login/?next=/toolkits/{work.pk}/")


def test_tools_are_allowed_exactly_as_ticked(at_acme, work):
    server = work.servers.get()
    add = server.tools.get(name="add")
    at_acme.post(f"/toolkits/{work.pk}/servers/{server.pk}/tools/", {"tool": [add.pk, "999999", "junk", "²"]})
    assert [entry.tool.name for entry in work.entries.filter(is_allowed=True)] == ["add"]
    event = Event.objects.filter(action=Action.TOOLKIT_CHANGED).first()
    assert (event.before["allowed"], event.after["allowed"]) == (["echo"], ["add"])


def test_saving_nothing_allows_nothing(at_acme, work):
    server = work.servers.get()
    at_acme.post(f"/toolkits/{work.pk}/servers/{server.pk}/tools/")
    assert not work.entries.filter(is_allowed=True).exists()


def test_a_tool_of_another_server_cannot_be_slipped_in(at_acme, acme, work):
    other = cast.make_server("other", tools=["steal"])
    work.add_server(other, allowed=[], by=cast.OPERATOR, now=other.listed_at)
    server, foreign = work.servers.get(slug="echo"), other.tools.get()
    at_acme.post(f"/toolkits/{work.pk}/servers/{server.pk}/tools/", {"tool": [foreign.pk]})
    assert not work.entries.get(tool=foreign).is_allowed


def test_get_does_not_change_tools(at_acme, work):
    server = work.servers.get()
    assert at_acme.get(f"/toolkits/{work.pk}/servers/{server.pk}/tools/").status_code == 405
    assert at_acme.get(f"/toolkits/{work.pk}/servers/").status_code == 405
    assert at_acme.get(f"/toolkits/{work.pk}/servers/{server.pk}/remove/").status_code == 405


def test_new_tools_are_marked(at_acme, work):
    server = work.servers.get()
    server.remember_tools(cast.raw(*map(cast.definition, ("echo", "add", "later"))), now=server.listed_at)
    assert "New" in at_acme.get(f"/toolkits/{work.pk}/").content.decode()


def test_what_a_tool_says_of_itself_is_text(at_acme, work):
    server = work.servers.get()
    hostile = cast.definition("evil", description="<script>alert(1)</script>", title="<img src=x onerror=y>")
    server.remember_tools(cast.raw(hostile), now=server.listed_at)
    page = at_acme.get(f"/toolkits/{work.pk}/").content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_page_asks_the_database_as_often_for_many_servers(at_acme, acme, work, django_assert_num_queries):
    for number in range(5):
        server = cast.make_server(f"more-{number}", tools=[f"tool-{each}" for each in range(20)])
        work.add_server(server, allowed=["tool-1"], by=cast.OPERATOR, now=server.listed_at)
    with django_assert_num_queries(10):
        at_acme.get(f"/toolkits/{work.pk}/")


def test_a_server_of_the_catalog_is_added_with_nothing_allowed(at_acme, work):
    more = cast.make_server("more", tools=["one"])
    at_acme.post(f"/toolkits/{work.pk}/servers/", {"server": more.pk})
    assert not work.entries.get(tool__server=more).is_allowed


def test_another_accounts_server_cannot_be_added(at_acme, work, charlie):
    hidden = cast.make_server("quarry", account=charlie.personal_account)
    at_acme.post(f"/toolkits/{work.pk}/servers/", {"server": hidden.pk})
    assert not work.servers.filter(pk=hidden.pk).exists()
    assert "quarry" not in at_acme.get(f"/toolkits/{work.pk}/").content.decode().lower()


def test_a_server_is_taken_out(at_acme, work):
    server = work.servers.get()
    at_acme.post(f"/toolkits/{work.pk}/servers/{server.pk}/remove/")
    assert not work.servers.exists()
    assert not work.entries.exists()


SETTINGS = {"name": "Work", "alias": "work", "naming": "prefixed", "offers_status_tool": "on"}


def test_an_old_alias_keeps_working(at_acme, acme, work):
    at_acme.post(f"/toolkits/{work.pk}/edit/", {**SETTINGS, "alias": "work-2026"})
    assert Toolkit.objects.named(acme, "work") == Toolkit.objects.named(acme, "work-2026") == work
    page = at_acme.get(f"/toolkits/{work.pk}/").content.decode()
    assert f"accountId={acme.pk}&amp;profile=work-2026" in page
    assert "Former aliases" in page


def test_an_alias_of_another_toolkit_is_refused_and_nothing_changes(at_acme, acme, work):
    cast.make_toolkit(acme, "home")
    answer = at_acme.post(f"/toolkits/{work.pk}/edit/", {**SETTINGS, "alias": "home", "name": "New name"})
    work.refresh_from_db()
    assert (answer.status_code, work.alias, work.name) == (422, "work", "Work")
    assert "New name" in answer.content.decode()


def test_deleting_wants_the_alias_typed(at_acme, work):
    assert at_acme.post(f"/toolkits/{work.pk}/delete/", {"confirmation": "Work"}).status_code == 422
    assert Toolkit.objects.living().filter(is_default=False).count() == 1
    assert at_acme.post(f"/toolkits/{work.pk}/delete/", {"confirmation": "work"}).url == "/toolkits/"
    assert not Toolkit.objects.living().filter(is_default=False).exists()
    assert at_acme.get(f"/toolkits/{work.pk}/").status_code == 404


def test_the_default_toolkit_stays(at_acme, acme):
    default = acme.toolkits.get()
    at_acme.post(f"/toolkits/{default.pk}/delete/", {"confirmation": "default"})
    assert Toolkit.objects.living().filter(pk=default.pk).exists()


def test_deleting_a_toolkit_ends_its_tokens(at_acme, alice, work):
    token = cast.make_token(alice, work).token
    at_acme.post(f"/toolkits/{work.pk}/delete/", {"confirmation": "work"})
    token.refresh_from_db()
    assert token.stage == token.Stage.ENDED


def test_a_toolkit_of_plain_names_refuses_a_server_whose_tool_it_has_already(client, alice, acme):
    now = timezone.now()
    plain = cast.make_toolkit(acme, "plain", cast.make_server("one", tools=["echo"]), naming=Toolkit.Naming.PLAIN)
    same, other = cast.make_server("two", tools=["echo"]), cast.make_server("three", tools=["say"])
    client.force_login(alice)
    for server in (same, other):
        client.post(f"/toolkits/{plain.pk}/servers/", {"server": server.pk})
    assert set(plain.servers.values_list("slug", flat=True)) == {"one", "three"}
    assert set(plain.entries.values_list("exposed_name", flat=True)) == {"echo", "say"}
    same.remember_tools(cast.raw(cast.definition("fresh")), now=now)
    other.remember_tools(cast.raw(cast.definition("echo")), now=now)
    assert "three__echo" in plain.entries.values_list("exposed_name", flat=True)


def test_a_form_is_for_the_account_that_its_page_showed_whatever_another_tab_shows_by_now(at_acme, alice, acme):
    page = at_acme.get("/toolkits/new/").content.decode()
    assert f'name="shown_account" value="{acme.pk}"' in page
    at_acme.post("/settings/account/", {"account": str(alice.personal_account.pk)})  # in another tab
    at_acme.post("/toolkits/new/", {"name": "Two tabs", "alias": "two-tabs", "shown_account": str(acme.pk)})
    assert Toolkit.objects.get(alias="two-tabs").account == acme
    assert str(alice.personal_account.pk) in at_acme.get("/toolkits/new/").content.decode()


def forms_on(client, address: str) -> list[dict[str, str]]:
    """Return what each form of the page sends that nobody typed."""
    forms = re.findall(r"<form[^>]*method=.post.*?</form>", client.get(address).content.decode(), re.DOTALL)
    return [dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)) for form in forms]


def test_what_concerns_a_whole_account_is_done_to_the_one_that_its_page_showed(at_acme, alice, bob, acme, work):
    server = cast.make_server("weather")
    server.sign_in_by("bearer", by=cast.OPERATOR, now=timezone.now())
    organization, of_bob = f"/organizations/{acme.pk}/", f"/tokens/of/{bob.pk}/revoke/"
    connect = f"/authorizations/connect/{server.pk}/"
    pages = (organization, of_bob, connect, "/activity/events/")
    cast.make_token(bob, work, "n8n")
    shown = {page: [form.get("shown_account") for form in forms_on(at_acme, page)] for page in pages}
    assert {page for page in pages if str(acme.pk) in shown[page]} == set(pages)
    at_acme.post("/settings/account/", {"account": str(alice.personal_account.pk)})  # in another tab
    at_acme.post("/settings/account/pause/", {"shown_account": str(acme.pk)})
    assert Account.objects.get(paused_at__isnull=False) == acme
    at_acme.post(of_bob, {"reason": "leaked", "shown_account": str(acme.pk)})
    assert not DelegatedToken.objects.living(timezone.now()).filter(owner=bob).exists()


def test_a_form_for_an_account_that_is_not_theirs_is_sent_for_no_other_one(as_charlie, charlie, acme):
    for shown in (str(acme.pk), "nonsense"):
        wish = {"name": "Mine", "alias": "mine", "shown_account": shown}
        assert as_charlie.post("/toolkits/new/", wish).status_code == 404
    assert not Toolkit.objects.filter(name="Mine").exists()
    as_charlie.post("/toolkits/new/", {"name": "Mine", "alias": "mine", "shown_account": ""})
    assert Toolkit.objects.get(name="Mine").account == charlie.personal_account
