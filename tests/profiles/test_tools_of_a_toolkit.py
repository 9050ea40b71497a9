"""What a toolkit makes of its servers' tools: other words, marks that a tool only reads, resources and prompts."""

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from profiles.events import Action, Event
from profiles.models import Toolkit
from tests import cast


def entry(toolkit, name="echo"):
    return toolkit.entries.select_related("tool", "toolkit").get(tool__name=name)


def page_of(browser, toolkit):
    return browser.get(f"/toolkits/{toolkit.pk}/").content.decode()


def tools_path(toolkit):
    return f"/toolkits/{toolkit.pk}/servers/{toolkit.servers.get().pk}/tools/"


@pytest.fixture
def reading(acme):
    """A read-only toolkit of a server whose tool look says that it only reads, and whose tool write does not."""
    server = cast.make_server("files", tools=[])
    claims = cast.definition("look", annotations={"readOnlyHint": True})
    server.remember_tools(cast.raw(claims, cast.definition("write")), now=timezone.now())
    toolkit = cast.make_toolkit(acme, "reading", server, allowed=["look", "write"])
    toolkit.change(is_read_only=True, by=cast.OPERATOR, now=timezone.now())
    return toolkit


def test_other_words_are_shown_to_clients_and_on_the_page(at_acme, work):
    path = f"/toolkits/{work.pk}/tools/{entry(work).pk}/"
    assert "Does echo" in at_acme.get(path).content.decode()
    at_acme.post(path, {"title": "Parrot", "description": "Says it again."})
    page = page_of(at_acme, work)
    assert "Parrot" in page
    assert "Says it again." in page
    assert "reworded here" in page
    event = Event.objects.filter(action=Action.TOOLKIT_CHANGED).first()
    assert event.after == {"tool": "echo__echo", "title_override": "Parrot", "description_override": "Says it again."}


def test_empty_words_are_the_server_s_again(at_acme, work):
    path = f"/toolkits/{work.pk}/tools/{entry(work).pk}/"
    at_acme.post(path, {"title": "Parrot", "description": ""})
    at_acme.post(path, {"title": "", "description": ""})
    assert not entry(work).is_reworded


@pytest.mark.parametrize("words", [{"title": "x" * 201}, {"description": "x" * 4001}, {"title": "a\u202eb"}])
def test_words_that_cannot_be_are_refused_and_kept_in_the_form(at_acme, work, words):
    answer = at_acme.post(f"/toolkits/{work.pk}/tools/{entry(work).pk}/", words)
    assert answer.status_code == 422
    assert next(iter(words.values())) in answer.content.decode()
    assert not entry(work).is_reworded


def test_words_that_are_too_many_are_refused_without_a_form(work):
    with pytest.raises(ValidationError):
        work.describe(entry(work), title="", description="x" * 4001, by=cast.OPERATOR, now=timezone.now())


def test_a_tool_of_another_toolkit_has_no_page_here(at_acme, acme, work):
    other = cast.make_toolkit(acme, "other", work.servers.get())
    assert at_acme.get(f"/toolkits/{work.pk}/tools/{entry(other).pk}/").status_code == 404
    assert at_acme.get(f"/toolkits/{work.pk}/tools/{'9' * 30}/").status_code == 404


def test_a_server_s_claim_is_a_proposal_until_somebody_saves_it(at_acme, reading):
    page = page_of(at_acme, reading)
    assert "Read-only: some allowed tools are not offered" in page
    look, write = entry(reading, "look").tool_id, entry(reading, "write").tool_id
    assert f'value="{look}" id="mark-{look}" checked' in page
    assert f'value="{write}" id="mark-{write}">' in page
    assert not reading.allowed_entries().exists()
    at_acme.post(tools_path(reading), {"tool": [look, write], "marks": "1", "read_only": [look]})
    assert [each.exposed_name for each in reading.allowed_entries()] == ["files__look"]
    page = page_of(at_acme, reading)
    assert "not offered: no read-only mark" in page
    assert "2 of 2 tools allowed, 1 offered" in page


def test_a_mark_that_was_taken_away_is_not_proposed_again(at_acme, reading):
    look = entry(reading, "look").tool_id
    at_acme.post(tools_path(reading), {"tool": [look], "marks": "1"})
    assert f'id="mark-{look}" checked' not in page_of(at_acme, reading)


def test_marks_stay_while_the_toolkit_is_not_read_only(at_acme, reading):
    look = entry(reading, "look").tool_id
    at_acme.post(tools_path(reading), {"tool": [look], "marks": "1", "read_only": [look]})
    reading.change(is_read_only=False, by=cast.OPERATOR, now=timezone.now())
    assert 'name="read_only"' not in page_of(at_acme, reading)
    at_acme.post(tools_path(reading), {"tool": [look]})
    assert entry(reading, "look").is_marked_read_only


def test_resources_and_prompts_are_offered_as_ticked(at_acme, work):
    at_acme.post(tools_path(work), {"offers_resources": "on"})
    place = work.places.get()
    assert (place.offers_resources, place.offers_prompts) == (True, False)
    assert Event.objects.filter(action=Action.TOOLKIT_CHANGED).first().after["offers_resources"] is True


def test_a_server_is_added_with_its_prompts_and_not_its_resources(at_acme, acme):
    toolkit, server = cast.make_toolkit(acme, "empty"), cast.make_server("more", tools=[])
    at_acme.post(f"/toolkits/{toolkit.pk}/servers/", {"server": server.pk, "offers_prompts": "on"})
    place = toolkit.places.get()
    assert (place.offers_resources, place.offers_prompts) == (False, True)


def test_a_name_that_another_tool_has_is_explained(at_acme, acme):
    plain = cast.make_toolkit(acme, "plain", cast.make_server("one", tools=["echo"]), naming=Toolkit.Naming.PLAIN)
    other = cast.make_server("two", tools=["look"])
    plain.add_server(other, allowed=["look"], by=cast.OPERATOR, now=timezone.now())
    assert "name taken" not in page_of(at_acme, plain)
    other.remember_tools(cast.raw(*map(cast.definition, ["look", "echo"])), now=timezone.now())
    page = page_of(at_acme, plain)
    assert page.count("name taken") == 1
    assert "two__echo" in page


def test_the_switches_of_a_toolkit_are_saved(at_acme, work):
    data = {"name": "Work", "alias": "work", "naming": "prefixed", "is_read_only": "on", "holds_changed_tools": "on"}
    at_acme.post(f"/toolkits/{work.pk}/edit/", data)
    work.refresh_from_db()
    assert (work.is_read_only, work.holds_changed_tools) == (True, True)
