"""The set-ups for frameworks, unchanged, in environments of their own; Activity shows the call."""

import pytest

from tests.clients.conftest import tools_called
from tests.clients.environments import modules, python
from tests.clients.pasting import save, set_up, shell

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.mark.flow
@pytest.mark.parametrize("slug", ["openai-agents", "langchain", "llamaindex"])
def test_a_framework_in_python_lists_the_tools_and_calls_one(ready, facts, tmp_path, slug):
    pasted = set_up(facts, slug, "Python")
    save(pasted, tmp_path)
    assert "echo__echo" in shell(ready, f"{python(slug)} {pasted.file}", tmp_path)
    assert tools_called() == [("echo__echo", "ok")]


def test_pydantic_ai_lists_the_tools_and_calls_them(ready, facts, tmp_path):
    """Its own model for tests calls each tool there is."""
    pasted = set_up(facts, "pydantic-ai")
    save(pasted, tmp_path)
    assert "echo__echo" in shell(ready, f"{python('pydantic-ai')} {pasted.file}", tmp_path, MODEL="test")
    assert set(tools_called()) == {("echo__echo", "ok"), ("nexus_status", "ok")}


@pytest.mark.flow
@pytest.mark.parametrize("slug", ["openai-agents", "ai-sdk", "mastra"])
def test_a_framework_in_javascript_lists_the_tools_and_calls_one(ready, facts, tmp_path, slug):
    pasted = set_up(facts, slug, "JavaScript")
    save(pasted, tmp_path)
    (tmp_path / "node_modules").symlink_to(modules("frameworks"))
    assert "echo__echo" in shell(ready, f"node {pasted.file}", tmp_path)
    assert tools_called() == [("echo__echo", "ok")]
