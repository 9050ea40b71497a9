import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from profiles import listing
from profiles.events import Action, Event
from profiles.models import Attempts, Server
from profiles.upstream import discovery
from profiles.upstream.errors import UpstreamError
from tests import cast
from tests.upstreams import running_recorder

DOWN = "http://127.0.0.1:9/mcp"


def test_the_list_shows_own_servers_and_the_catalog(at_acme, acme, charlie):
    cast.make_server("shared")
    cast.make_server("own", account=acme)
    cast.make_server("hidden", account=charlie.personal_account)
    page = at_acme.get("/servers/").content.decode()
    assert "Shared" in page
    assert "Own" in page
    assert "Hidden" not in page


def test_the_list_asks_the_database_as_often_for_twenty_as_for_one(at_acme, acme, django_assert_num_queries):
    for number in range(20):
        cast.make_server(f"server-{number}", account=acme)
    with django_assert_num_queries(6):
        at_acme.get("/servers/")


def test_a_page_shows_the_tools(at_acme, acme):
    server = cast.make_server("own", tools=["echo", "add"], account=acme)
    page = at_acme.get(f"/servers/{server.pk}/").content.decode()
    assert "Does echo" in page
    assert "Remove…" in page


def test_a_stranger_gets_404(as_charlie, acme):
    server = cast.make_server("own", account=acme)
    assert as_charlie.get(f"/servers/{server.pk}/").status_code == 404
    assert as_charlie.post(f"/servers/{server.pk}/list/").status_code == 404
    assert as_charlie.get(f"/servers/{server.pk}/remove/").status_code == 404
    assert as_charlie.post(f"/servers/{server.pk}/remove/").status_code == 404


def test_a_member_sees_servers_and_changes_none(as_bob, acme):
    server = cast.make_server("own", account=acme)
    assert as_bob.get(f"/servers/{server.pk}/").status_code == 200
    assert as_bob.get("/servers/add/").status_code == 404
    assert as_bob.post(f"/servers/{server.pk}/list/").status_code == 404
    assert as_bob.post(f"/servers/{server.pk}/remove/").status_code == 404


def test_the_address_is_for_who_manages_the_server(at_acme, as_bob, acme):
    server = cast.make_server("own", url="https://example.com/mcp?key=of-acme", account=acme)
    assert "of-acme" in at_acme.get(f"/servers/{server.pk}/").content.decode()
    assert "of-acme" not in as_bob.get(f"/servers/{server.pk}/").content.decode()


def test_the_command_of_a_server_is_for_staff(at_acme, staff):
    server = Server.objects.create(slug="git", name="Git", transport="stdio", command=["/opt/secret-path/git"])
    assert "secret-path" not in at_acme.get(f"/servers/{server.pk}/").content.decode()
    assert "secret-path" in staff.get(f"/servers/{server.pk}/").content.decode()


def test_get_lists_nothing(at_acme, acme):
    server = cast.make_server("own", account=acme)
    assert at_acme.get(f"/servers/{server.pk}/list/").status_code == 405


@pytest.mark.django_db(transaction=True)
def test_a_server_is_looked_at_first_and_saved_second(at_acme, acme, upstream_url):
    typed = {"url": upstream_url, "name": "My tools", "slug": ""}
    looked = at_acme.post("/servers/add/", typed)
    assert "offers 5 tools" in looked.content.decode()
    assert not Server.objects.exists()
    at_acme.post("/servers/add/", {**typed, "save": "1"})
    server = Server.objects.get()
    assert (server.slug, server.account, server.tools.count()) == ("my-tools", acme, 5)
    assert Event.objects.filter(action=Action.SERVER_ADDED, subject_id=str(server.pk)).count() == 1


@pytest.mark.parametrize("save", [{}, {"save": "1"}])
def test_a_server_that_does_not_answer_is_not_saved(at_acme, save):
    answer = at_acme.post("/servers/add/", {"url": DOWN, "name": "My tools", "slug": "mine", **save})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Nothing was saved" in page
    assert all(typed in page for typed in (DOWN, "My tools", "mine"))
    assert not Server.objects.exists()


@pytest.mark.parametrize(
    "url",
    [
        "", "mcp.example.com", "ftp://example.com/mcp", "file:///etc/passwd", "https://", "https:///mcp", "javascript:alert(1)",
        "https://user:secret@example.com/mcp", "https://user@example.com/", "https://example.com/mcp#part",
        "https://example.com:0/", "https://example.com:99999/", "https://[::1/mcp", "https://exa mple.com/", "http://a\nb/",
        "x" * 501,
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_is_refused(at_acme, url):
    answer = at_acme.post("/servers/add/", {"url": url, "name": "Bad", "save": "1"})
    assert answer.status_code == 422
    assert not Server.objects.exists()


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest/", "http://10.0.0.1/mcp", "http://[fd00::1]/mcp"])
def test_private_and_metadata_addresses_are_refused(at_acme, url):
    answer = at_acme.post("/servers/add/", {"url": url, "name": "Inner", "save": "1"})
    assert answer.status_code == 422
    assert not Server.objects.exists()


def test_looking_at_addresses_is_limited(at_acme, alice):
    for _ in range(listing.PROBES):
        Attempts.objects.take(f"probe:{alice.pk}", listing.PROBES, now=timezone.now())
    answer = at_acme.post("/servers/add/", {"url": DOWN, "name": "Scan"})
    assert "Wait 10 minutes" in answer.content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_prefix_that_is_taken_is_refused(at_acme, upstream_url):
    cast.make_server("mine")
    answer = at_acme.post("/servers/add/", {"url": upstream_url, "name": "Mine", "slug": "mine", "save": "1"})
    assert answer.status_code == 422
    assert "has the prefix" in answer.content.decode()
    assert Server.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_prefix_is_made_that_is_free(at_acme, upstream_url):
    cast.make_server("mine")
    at_acme.post("/servers/add/", {"url": upstream_url, "name": "Mine", "save": "1"})
    assert Server.objects.filter(slug="mine-2").exists()


@pytest.mark.django_db(transaction=True)
def test_tools_are_listed_again(at_acme, acme, upstream_url):
    server = cast.make_server("own", tools=["old"], url=upstream_url, account=acme)
    at_acme.post(f"/servers/{server.pk}/list/")
    assert set(server.tools.values_list("name", flat=True)) >= {"echo", "add"}


def test_a_server_that_fails_says_so_and_keeps_its_tools(at_acme, acme):
    server = cast.make_server("own", tools=["old"], url=DOWN, account=acme)
    page = at_acme.post(f"/servers/{server.pk}/list/", follow=True).content.decode()
    server.refresh_from_db()
    assert server.failed_at
    assert "does not answer" in page
    assert server.tools.count() == 1


EDITED = {"name": "Parrot", "description": "Says it again", "timeout_s": "30", "max_concurrent": "8"}


def test_a_server_of_the_account_is_edited(at_acme, acme):
    server = cast.make_server("own", account=acme)
    assert at_acme.post(f"/servers/{server.pk}/edit/", EDITED).url == f"/servers/{server.pk}/"
    server.refresh_from_db()
    assert (server.name, server.description, server.timeout_s, server.max_concurrent) == (
        "Parrot", "Says it again", 30, 8,
    )  # fmt: skip
    assert Event.objects.get(action=Action.SERVER_CHANGED).before["timeout_s"] == 120


@pytest.mark.parametrize(
    "wrong", [{"timeout_s": "0"}, {"timeout_s": "601"}, {"timeout_s": "x"}, {"max_concurrent": "1001"}, {"name": ""}]
)
def test_limits_that_cannot_be_are_refused(at_acme, acme, wrong):
    server = cast.make_server("own", account=acme)
    answer = at_acme.post(f"/servers/{server.pk}/edit/", {**EDITED, **wrong})
    assert answer.status_code == 422
    assert "Says it again" in answer.content.decode()
    assert Server.objects.get().timeout_s == 120


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout_s": 0}, {"timeout_s": 601}, {"max_concurrent": 0}, {"max_concurrent": 1001},
        {"transport": "sse", "url": ""}, {"transport": "stdio"},
    ],
)  # fmt: skip
def test_the_database_refuses_what_no_form_lets_through(acme, wrong):
    server = cast.make_server("own", account=acme)
    with pytest.raises(IntegrityError), transaction.atomic():
        Server.objects.filter(pk=server.pk).update(**wrong)
    assert Server.objects.filter(pk=server.pk).update(transport="sse", timeout_s=600, max_concurrent=1000)


def test_a_server_of_the_catalog_or_of_others_is_not_edited_here(at_acme, as_bob, as_charlie, acme):
    own, shared = cast.make_server("own", account=acme), cast.make_server("shared")
    assert at_acme.get(f"/servers/{shared.pk}/edit/").status_code == 404
    for browser in (as_bob, as_charlie):
        assert browser.get(f"/servers/{own.pk}/edit/").status_code == 404
        assert browser.post(f"/servers/{own.pk}/edit/", EDITED).status_code == 404
    assert not Event.objects.filter(action=Action.SERVER_CHANGED).exists()


@pytest.mark.sqlite
def test_what_a_server_says_of_itself_is_kept_in_bounds(at_acme, acme):
    server = cast.make_server("own", account=acme)
    said = {"capabilities": {"prompts": {}}, "instructions": "<b>Use\0me</b> " + "x" * 30_000}
    assert server.remember_tools([], now=timezone.now(), **said)
    assert not server.remember_tools([], now=timezone.now(), **said)
    stored = Server.objects.get()
    assert stored.capabilities == {"prompts": {}}
    assert stored.instructions.startswith("<b>Use\ufffdme</b>")
    assert len(stored.instructions) == 20_000
    assert "&lt;b&gt;Use" in at_acme.get(f"/servers/{server.pk}/").content.decode()
    assert server.remember_tools([], now=timezone.now(), capabilities={"x\0": "y"})
    assert Server.objects.get().capabilities == {}


def test_removing_shows_which_toolkits_lose_it(at_acme, acme):
    server = cast.make_server("own", account=acme)
    work = cast.make_toolkit(acme, "work", server, allowed=["echo"])
    assert "Work" in at_acme.get(f"/servers/{server.pk}/remove/").content.decode()
    assert Server.objects.living().exists()
    assert at_acme.post(f"/servers/{server.pk}/remove/").url == "/servers/"
    assert not Server.objects.living().exists()
    assert at_acme.get(f"/toolkits/{work.pk}/").status_code == 200


def test_a_server_of_the_catalog_is_not_removed_here(at_acme):
    server = cast.make_server("shared")
    assert at_acme.post(f"/servers/{server.pk}/remove/").status_code == 404


def test_a_tool_that_is_nested_too_deeply_is_refused_before_anybody_has_to_read_it(acme):
    nested = {"type": "object"}
    for _ in range(350):
        nested = {"items": [nested]}
    with running_recorder() as upstream:
        upstream.tools = [cast.definition("deep", inputSchema=nested)]
        with pytest.raises(UpstreamError, match="nested too deeply"):
            discovery.list_tools(cast.make_server("own", url=upstream.url, account=acme))


def test_servers_are_found_by_their_own_names_and_by_those_of_their_tools(at_acme, acme):
    cast.make_server("linear", ["list_projects"], account=acme)
    cast.make_server("clock", ["get_time"])
    for text, is_there in (("linea", True), ("PROJECTS", True), ("time", False)):
        page = at_acme.get("/servers/", {"q": text}).content.decode()
        assert ("Linear" in page) is is_there, text
    assert "No server matches" in at_acme.get("/servers/", {"q": "nothing like it"}).content.decode()
    assert "at most 100 characters" in at_acme.get("/servers/", {"q": "x" * 101}).content.decode()
