"""Agents that sign in by browser, set up as Install says; then a model on loopback lets them call a tool."""

import pytest

from activity.models import Call
from tests.clients.conftest import tools_called
from tests.clients.environments import CLAUDE_ASKS, CODEX_ASKS, QUIET, claude_code, modules
from tests.clients.model_server import DONE
from tests.clients.pasting import set_up, shell
from tests.clients.signing_in import asked_for, connected, person, sessions
from tokens.clients import Auth

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.flow]


@pytest.fixture
def browser(alice, tmp_path):
    """Whatever a program starts to open a page."""
    browser = person(alice, tmp_path)
    (tmp_path / "xdg-open").symlink_to(browser.program)
    return browser


def pasted_into_a_terminal(ready, facts, slug: str, folder, programs, **more: str) -> str:
    (folder / "pasted.sh").write_text(set_up(facts, slug, auth=Auth.BROWSER).text)
    command = "script -qefc 'bash -e pasted.sh' /dev/null </dev/null"
    return shell(ready, command, folder, programs, folder, TERM="xterm", **more)


def has_signed_in(facts, browser) -> bool:
    [visit] = browser.visits
    assert asked_for(visit)["resource"] == facts.url
    return (visit["choices"], connected(), sessions()) == ([], [("dcr", "public", "work")], (1, 1, 1))


def test_claude_code(ready, facts, tmp_path, model, browser):
    programs, agent = claude_code(tmp_path), {**QUIET, "BROWSER": str(browser.program)}
    print(pasted_into_a_terminal(ready, facts, "claude-code", tmp_path, programs, **agent))
    assert has_signed_in(facts, browser)
    agent |= {"ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": "none"}
    assert DONE in shell(ready, CLAUDE_ASKS, tmp_path, programs, **agent)
    assert tools_called() == [("echo__echo", "ok")]


def test_codex(ready, facts, tmp_path, model, browser):
    programs = modules("codex") / ".bin"
    print(pasted_into_a_terminal(ready, facts, "codex", tmp_path, programs, BROWSER=str(browser.program)))
    assert has_signed_in(facts, browser)
    assert DONE in shell(ready, CODEX_ASKS, tmp_path, programs, MODEL_URL=f"{model.url}/v1")
    assert tools_called() == [("echo__echo", "ok")]


def test_gemini_cli(ready, facts, tmp_path, model, browser):
    programs = modules("gemini-cli") / ".bin"
    (tmp_path / "pasted.sh").write_text(set_up(facts, "gemini-cli", auth=Auth.BROWSER).text)
    agent = {**QUIET, "GOOGLE_VERTEX_BASE_URL": model.url, "GOOGLE_API_KEY": "none", "GOOGLE_GENAI_USE_VERTEXAI": "true"}
    command = "timeout 30 script -qefc 'bash -e pasted.sh' /dev/null </dev/null || true"
    print(shell(ready, command, tmp_path, programs, tmp_path, TERM="xterm", BROWSER=str(browser.program), **agent)[-3000:])
    assert has_signed_in(facts, browser)
    asked = "gemini -m gemini-2.5-flash --yolo -p 'Call echo.'"
    assert DONE in shell(ready, asked, tmp_path, programs, **agent)
    assert tools_called() == [("echo__echo", "ok")]
