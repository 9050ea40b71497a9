"""What the hub is given of a toolkit: the one map that listing and calling read."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from profiles import resolver
from profiles.models import Toolkit
from profiles.models.entries import Choice
from tests import cast

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def view(toolkit):
    return resolver.view_of(toolkit.pk)


def listed(toolkit):
    return json.loads(b"[%b]" % view(toolkit).listing)


def names(toolkit):
    return [entry["name"] for entry in listed(toolkit)]


def add(toolkit, server, *, at=None, **offers):
    allowed = server.tools.values_list("name", flat=True)
    toolkit.add_server(server, allowed=allowed, by=cast.OPERATOR, now=at or timezone.now(), **offers)


def entry(toolkit, name):
    return toolkit.entries.select_related("tool").get(tool__name=name)


def test_servers_come_in_the_order_in_which_they_were_added_and_tools_in_the_server_s_own(acme):
    now = timezone.now()
    toolkit = cast.make_toolkit(acme)
    late, early = cast.make_server("late", tools=["z", "a"]), cast.make_server("early", tools=["m", "b"])
    add(toolkit, late, at=now)
    add(toolkit, early, at=now - timedelta(days=1))
    assert names(toolkit) == ["early__m", "early__b", "late__z", "late__a"]
    assert list(view(toolkit).routes) == names(toolkit)


def test_an_entry_keeps_the_server_s_bytes_under_another_name(acme):
    server = cast.make_server(tools=[])
    server.remember_tools([b'{"name":"echo", "n":1.10,"x":{"b" :2}}'], now=timezone.now())
    toolkit = cast.make_toolkit(acme, server=server, allowed=["echo"])
    assert view(toolkit).listing == b'{"name":"echo__echo","n":1.10,"x":{"b" :2}}'
    route = view(toolkit).routes["echo__echo"]
    assert (route.upstream_name, route.listing, route.mirrored) == ("echo", view(toolkit).listing, ())


def test_the_toolkit_s_own_words_are_what_clients_read(acme, work):
    work.describe(
        entry(work, "echo"), title="Parrot", description="Says it again", by=cast.OPERATOR, now=timezone.now()
    )
    (shown,) = listed(work)
    assert shown == {**cast.definition("echo", description="Says it again"), "name": "echo__echo", "title": "Parrot"}


def test_a_route_knows_how_long_its_server_may_take_and_which_arguments_are_headers(acme):
    server = cast.make_server(tools=[])
    region = {"type": "string", "x-mcp-header": "Region"}
    server.remember_tools(
        cast.raw(cast.definition("echo", inputSchema={"properties": {"region": region}})), now=timezone.now()
    )
    toolkit = cast.make_toolkit(acme, server=server, allowed=["echo"])
    server.change(tools=None, by=cast.OPERATOR, now=timezone.now(), timeout_s=7)
    route = view(toolkit).routes["echo__echo"]
    assert (route.timeout, route.mirrored) == (7.0, (("Region", "region"),))


def test_resources_and_prompts_are_offered_where_the_toolkit_says_so(acme):
    toolkit = cast.make_toolkit(acme)
    one, two, three = (cast.make_server(slug) for slug in ("one", "two", "three"))
    add(toolkit, one, offers_prompts=True)
    add(toolkit, two, offers_resources=True, offers_prompts=True)
    add(toolkit, three)
    assert view(toolkit).resource_servers == (two.pk,)
    assert view(toolkit).prompt_servers == (one.pk, two.pk)
    toolkit.choose(two, Choice(frozenset()), by=cast.OPERATOR, now=timezone.now())
    assert view(toolkit).resource_servers == ()
    one.remove(by=cast.OPERATOR, now=timezone.now())
    assert view(toolkit).prompt_servers == ()


def test_a_read_only_toolkit_offers_what_is_marked_here_whatever_the_server_claims(acme):
    server = cast.make_server(tools=[])
    claims = {"annotations": {"readOnlyHint": True}}
    server.remember_tools(
        cast.raw(cast.definition("look", **claims), cast.definition("peek", **claims), cast.definition("write")),
        now=timezone.now(),
    )
    toolkit = cast.make_toolkit(acme, server=server, allowed=["look", "peek", "write"])
    toolkit.change(is_read_only=True, by=cast.OPERATOR, now=timezone.now())
    assert names(toolkit) == []
    ids = dict(server.tools.values_list("name", "pk"))
    choice = Choice(frozenset(ids.values()), read_only=frozenset({ids["look"], ids["write"]}))
    toolkit.choose(server, choice, by=cast.OPERATOR, now=timezone.now())
    assert names(toolkit) == ["echo__look", "echo__write"]


def test_plain_names_are_the_servers_own_and_the_second_of_one_name_carries_its_prefix(acme):
    now = timezone.now()
    toolkit = cast.make_toolkit(acme, naming=Toolkit.Naming.PLAIN)
    one, two = cast.make_server("one", tools=["say.it"]), cast.make_server("two", tools=["look"])
    add(toolkit, one)
    add(toolkit, two)
    two.remember_tools(cast.raw(*map(cast.definition, ["look", "say.it", "nexus_status"])), now=now)
    toolkit.entries.filter(is_allowed=False).allow()
    assert view(toolkit).is_plain
    assert names(toolkit)[:2] == ["say.it", "look"]
    assert names(toolkit)[2].startswith("two__say_it")
    assert names(toolkit)[3] == "two__nexus_status"


def test_a_name_made_to_collide_does_not_keep_another_server_s_tools_out(acme):
    now = timezone.now()
    toolkit = cast.make_toolkit(acme, naming=Toolkit.Naming.PLAIN)
    hostile = cast.make_server("hostile", tools=["echo", "victim__echo"])
    add(toolkit, hostile)
    victim = cast.make_server("victim", tools=["look"])
    add(toolkit, victim)
    victim.remember_tools(cast.raw(*map(cast.definition, ["look", "echo"])), now=now)
    toolkit.entries.filter(is_allowed=False).allow()
    assert names(toolkit) == ["echo", "victim__echo", "look", "victim__echo_2"]
    assert view(toolkit).routes["victim__echo_2"].server_id == victim.pk


def test_what_is_no_longer_listed_or_whose_server_is_gone_has_no_route(acme, work):
    server = work.servers.get()
    server.remember_tools(cast.raw(cast.definition("add")), now=timezone.now())
    assert names(work) == []
    server.remember_tools(cast.raw(cast.definition("echo")), now=timezone.now())
    assert names(work) == ["echo__echo"]
    server.remove(by=cast.OPERATOR, now=timezone.now())
    assert (names(work), view(work).servers) == ([], {})


def test_a_view_costs_as_many_queries_for_many_servers_as_for_one(acme, work, django_assert_num_queries):
    for number in range(4):
        add(work, cast.make_server(f"more-{number}", tools=[f"tool-{each}" for each in range(10)]))
    with django_assert_num_queries(4):
        assert len(view(work).routes) == 41
