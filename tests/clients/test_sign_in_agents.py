"""Agents that sign in by browser, set up as Install says; then a model on loopback lets them call a tool."""

import pytest

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
)
from tests.clients.model_server import DONE
from tests.clients.pasting import environment, set_up, shell
from tests.clients.signing_in import asked_for, connected, person, sessions
from tests.clients.terminal import pasted
from tokens.clients import Auth

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.flow]


@pytest.fixture
def browser(alice, tmp_path):
    """Whatever a program starts to open a page."""
    browser = person(alice, tmp_path)
    (tmp_path / "xdg-open").symlink_to(browser.program)
    return browser


@pytest.fixture
def paste(ready, facts, tmp_path, browser):
    """Paste the set-up of a client into a terminal, on a desk with a display and that browser."""

    def paste(slug, programs, **more):
        told = {**QUIET, "BROWSER": str(browser.program), "DISPLAY": ":0", **more}
        text = set_up(facts, slug, auth=Auth.BROWSER).text
        return pasted(text, tmp_path, environment(ready, tmp_path, programs, tmp_path, **told))

    return paste


def has_signed_in(browser, resource: str) -> bool:
    [visit] = browser.visits
    assert asked_for(visit)["resource"] == resource
    return (connected(), sessions()) == ([("dcr", "public", "work")], (1, 1, 1))


def test_claude_code(ready, facts, tmp_path, model, browser, paste):
    programs = claude_code(tmp_path)
    with paste("claude-code", programs) as terminal:
        terminal.waits_for("Authenticated with")
    assert has_signed_in(browser, facts.url)
    assert DONE in shell(ready, CLAUDE_ASKS, tmp_path, programs, **claude_with(model))
    assert tools_called() == [("echo__echo", "ok")]


def test_codex(ready, facts, tmp_path, model, browser, paste):
    programs = modules("codex") / ".bin"
    with paste("codex", programs) as terminal:
        terminal.waits_for("Successfully logged in")
    assert has_signed_in(browser, facts.url)
    assert DONE in shell(ready, CODEX_ASKS, tmp_path, programs, MODEL_URL=f"{model.url}/v1")
    assert tools_called() == [("echo__echo", "ok")]


def test_gemini_cli(ready, facts, tmp_path, model, browser, paste):
    programs, agent = modules("gemini-cli") / ".bin", gemini_with(model)
    (tmp_path / ".gemini").mkdir()
    (tmp_path / ".gemini/settings.json").write_text('{"security": {"auth": {"selectedType": "vertex-ai"}}}')
    with paste("gemini-cli", programs, **agent) as terminal:
        terminal.waits_for("Do you want to continue?")
        terminal.types("\r")
        terminal.waits_for("Successfully authenticated")
    assert has_signed_in(browser, facts.url.partition("?")[0])  # it leaves the query out; the person picks the toolkit
    assert DONE in shell(ready, GEMINI_ASKS, tmp_path, programs, **agent)
    assert tools_called() == [("echo__echo", "ok")]
