"""Migrations that convert what is stored: there, back, and there again, on both databases."""

import json

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from profiles import definitions
from tests import cast

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]

NEW = ("profiles", "0005_toolkits_of_many_servers")
ENTRY = {"name": "echo", "inputSchema": {"type": "object"}, "x": 1.5}
NUL, STANDS_FOR_IT = "Says\0it", "Says\ufffdit"


def migrated_to(*targets):
    """Migrate, and return the models of that time."""
    executor = MigrationExecutor(connection)
    executor.migrate(list(targets))
    return MigrationExecutor(connection).loader.project_state(list(targets)).apps


@pytest.fixture
def before_and_after(transactional_db):
    """Return a function that goes back to before the migration, and one that goes to it."""
    graph = MigrationExecutor(connection).loader.graph
    former = [parent.key for parent in graph.node_map[NEW].parents if parent.key[0] == "profiles"]
    newest = graph.leaf_nodes()
    yield lambda: migrated_to(*former), lambda: migrated_to(NEW)
    migrated_to(*newest)


@pytest.mark.slow
def test_a_definition_survives_the_way_back_and_there_again(before_and_after, work):
    go_back, go_on = before_and_after
    server = work.servers.get()
    server.remember_tools(cast.raw({**ENTRY, "description": NUL}), now=server.listed_at)
    Tool = go_back().get_model("profiles", "Tool")
    old = Tool.objects.get(name="echo").definition
    assert old == {**ENTRY, "description": STANDS_FOR_IT}
    Tool.objects.filter(name="add").update(definition={"name": "add", "n": [1, {"b": None}]})
    apps = go_on()
    Tool = apps.get_model("profiles", "Tool")
    assert json.loads(Tool.objects.get(name="echo").definition) == old
    assert json.loads(Tool.objects.get(name="add").definition) == {"name": "add", "n": [1, {"b": None}]}


@pytest.mark.slow
def test_what_was_allowed_before_counts_as_approved(before_and_after, work):
    go_back, go_on = before_and_after
    go_back()
    apps = go_on()
    Tool, Entry = apps.get_model("profiles", "Tool"), apps.get_model("profiles", "ToolkitTool")
    for tool in Tool.objects.all():
        assert tool.digest == definitions.digest(tool.definition)
    approved = dict(Entry.objects.values_list("tool__name", "approved_digest"))
    assert approved == {"echo": Tool.objects.get(name="echo").digest, "add": ""}


@pytest.mark.slow
def test_a_server_of_2024_goes_back_to_the_only_transport_with_an_address(before_and_after, work):
    go_back, _ = before_and_after
    work.servers.update(transport="sse")
    assert go_back().get_model("profiles", "Server").objects.get().transport == "http"
