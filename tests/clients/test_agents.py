"""Agents, set up as Install says, in environments of their own: first their own list of servers, then a call.

They call a tool only when a model asks for it, and here the model is on loopback.
"""

import sys

import pytest

from activity.models import Call
from tests.clients.conftest import tools_called
from tests.clients.environments import (
    CLAUDE_ASKS,
    CODEX_ASKS,
    GEMINI_ASKS,
    QUIET,
    claude_code,
    claude_with,
    gemini_with,
    modules,
    python,
)
from tests.clients.model_server import DONE, TEXT
from tests.clients.pasting import save, set_up, shell

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__")]


def seen(client: str) -> set[str]:
    return set(Call.objects.filter(client_name=client, outcome="ok").values_list("method", flat=True))


def has_called(model, said: str) -> bool:
    assert DONE in said
    assert model.was_told(TEXT)
    return tools_called() == [("echo__echo", "ok")]


def test_claude_code(ready, facts, tmp_path, model):
    programs, agent = claude_code(tmp_path), claude_with(model)
    listed = shell(ready, set_up(facts, "claude-code").text + "claude mcp list", tmp_path, programs, **agent)
    assert "Connected" in listed
    assert seen("claude-code") >= {"server/discover", "tools/list"}
    assert has_called(model, shell(ready, CLAUDE_ASKS, tmp_path, programs, **agent))


@pytest.mark.flow
def test_claude_code_with_the_file_of_a_project(ready, facts, tmp_path, model):
    save(set_up(facts, "claude-code", ".mcp.json"), tmp_path)
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude/settings.local.json").write_text('{"enableAllProjectMcpServers": true}')
    assert has_called(model, shell(ready, CLAUDE_ASKS, tmp_path, claude_code(tmp_path), **claude_with(model)))


@pytest.mark.flow
@pytest.mark.parametrize("label", ["Command line", "config.toml"])
def test_codex(ready, facts, tmp_path, model, label):
    pasted, programs = set_up(facts, "codex", label), modules("codex") / ".bin"
    command = "" if pasted.file and save(pasted, tmp_path) else pasted.text
    assert facts.url in shell(ready, f"{command}\ncodex mcp list", tmp_path, programs)
    assert has_called(model, shell(ready, CODEX_ASKS, tmp_path, programs, MODEL_URL=f"{model.url}/v1"))
    assert seen("codex-mcp-client") >= {"initialize", "tools/list", "tools/call"}


@pytest.mark.flow
@pytest.mark.parametrize("label", ["Command line", "settings.json"])
def test_gemini_cli(ready, facts, tmp_path, model, label):
    pasted, programs = set_up(facts, "gemini-cli", label), modules("gemini-cli") / ".bin"
    command = "" if pasted.file and save(pasted, tmp_path) else pasted.text
    assert "Connected" in shell(ready, f"{command}\ngemini mcp list 2>&1", tmp_path, programs, **QUIET)
    assert has_called(model, shell(ready, GEMINI_ASKS, tmp_path, programs, **gemini_with(model)))


@pytest.mark.flow
def test_crewai(ready, facts, tmp_path, model):
    path = save(set_up(facts, "crewai"), tmp_path)
    address = f"{model.url}/v1"
    agent = {**QUIET, "OPENAI_BASE_URL": address, "OPENAI_API_BASE": address, "OPENAI_API_KEY": "none"}
    assert DONE in shell(ready, f"{python('crewai')} {path}", tmp_path, **agent)
    assert tools_called() == [("echo__echo", "ok")]
    if sys.version_info >= (3, 12):  # before, CrewAI loses the answer, as its card says
        assert model.was_told(TEXT)
