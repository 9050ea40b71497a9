"""Agents, set up as Install says, in environments of their own: first their own list of servers, then a call.

They call a tool only when a model asks for it, and here the model is on loopback.
"""

import sys

import pytest

from activity.models import Call
from tests.clients.conftest import tools_called
from tests.clients.environments import modules, python
from tests.clients.model_server import DONE, TEXT, running_model
from tests.clients.pasting import set_up, shell

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__")]
QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "ENABLE_TOOL_SEARCH": "false",  # tools stand in the first request, where the model looks for them
    "GEMINI_CLI_TRUST_WORKSPACE": "true",
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_TRACING_ENABLED": "false",
}
CODEX_MODEL = "-m loopback -c model_provider=loopback -c model_providers.loopback.name=loopback -c model_providers.loopback.base_url=$MODEL_URL"


@pytest.fixture
def model():
    with running_model() as model:
        yield model


@pytest.fixture
def claude(tmp_path):
    """The package's own launcher, for its program comes as an optional package that no script has put in its place."""
    folder = tmp_path / "programs"
    folder.mkdir()
    launcher = modules("claude-code") / "@anthropic-ai/claude-code/cli-wrapper.cjs"
    (folder / "claude").write_text(f'#!/bin/sh\nexec node {launcher} "$@"\n')
    (folder / "claude").chmod(0o755)
    return folder


def seen(client: str) -> set[str]:
    return set(Call.objects.filter(client_name=client, outcome="ok").values_list("method", flat=True))


@pytest.mark.parametrize("label", ["Command line", ".mcp.json"])
def test_claude_code(ready, facts, tmp_path, claude, model, label):
    pasted = set_up(facts, "claude-code", label)
    agent = {**QUIET, "ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": "none"}
    if pasted.file:
        (tmp_path / pasted.file).write_text(pasted.text)
        (tmp_path / ".claude").mkdir()
        (tmp_path / ".claude/settings.local.json").write_text('{"enableAllProjectMcpServers": true}')
    else:
        listed = shell(ready, pasted.text + "claude mcp list", tmp_path, claude, **agent)
        assert "Connected" in listed
        assert seen("claude-code") >= {"server/discover", "tools/list"}
    said = shell(ready, "claude -p 'Call echo.' --allowedTools mcp__nexus-work", tmp_path, claude, **agent)
    assert (DONE in said, model.was_told(TEXT)) == (True, True)
    assert tools_called() == [("echo__echo", "ok")]


@pytest.mark.flow
@pytest.mark.parametrize("label", ["Command line", "config.toml"])
def test_codex(ready, facts, tmp_path, model, label):
    pasted, folder = set_up(facts, "codex", label), modules("codex") / ".bin"
    if pasted.file:
        (tmp_path / ".codex").mkdir()
        (tmp_path / ".codex/config.toml").write_text(pasted.text)
    listed = shell(ready, f"{'' if pasted.file else pasted.text}\ncodex mcp list", tmp_path, folder)
    assert facts.url in listed
    asked = f"codex exec --skip-git-repo-check --dangerously-bypass-approvals-and-sandbox {CODEX_MODEL} 'Call echo.' </dev/null"
    said = shell(ready, asked, tmp_path, folder, MODEL_URL=f"{model.url}/v1")
    assert (DONE in said, model.was_told(TEXT)) == (True, True)
    assert seen("codex-mcp-client") >= {"initialize", "tools/list", "tools/call"}
    assert tools_called() == [("echo__echo", "ok")]


@pytest.mark.flow
@pytest.mark.parametrize("label", ["Command line", "settings.json"])
def test_gemini_cli(ready, facts, tmp_path, model, label):
    pasted, folder = set_up(facts, "gemini-cli", label), modules("gemini-cli") / ".bin"
    if pasted.file:
        (tmp_path / ".gemini").mkdir()
        (tmp_path / ".gemini/settings.json").write_text(pasted.text)
    listed = shell(ready, f"{'' if pasted.file else pasted.text}\ngemini mcp list 2>&1", tmp_path, folder, **QUIET)
    assert "Connected" in listed
    agent = {
        **QUIET,
        "GOOGLE_VERTEX_BASE_URL": model.url,
        "GOOGLE_API_KEY": "none",
        "GOOGLE_GENAI_USE_VERTEXAI": "true",
    }
    said = shell(ready, "gemini -m gemini-2.5-flash --yolo -p 'Call echo.'", tmp_path, folder, **agent)
    assert (DONE in said, model.was_told(TEXT)) == (True, True)
    assert tools_called() == [("echo__echo", "ok")]


@pytest.mark.flow
def test_crewai(ready, facts, tmp_path, model):
    pasted = set_up(facts, "crewai")
    (tmp_path / pasted.file).write_text(pasted.text)
    agent = {
        **QUIET,
        "OPENAI_BASE_URL": f"{model.url}/v1",
        "OPENAI_API_BASE": f"{model.url}/v1",
        "OPENAI_API_KEY": "none",
    }
    assert DONE in shell(ready, f"{python('crewai')} {pasted.file}", tmp_path, **agent)
    assert tools_called() == [("echo__echo", "ok")]
    if sys.version_info >= (3, 12):  # before, CrewAI loses the answer, as its card says
        assert model.was_told(TEXT)
