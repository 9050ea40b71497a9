"""Clients that have an environment of their own: where they lie, and what they are told. `make clients` installs them."""

import pathlib

from tests.clients.model_server import Model

QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "ENABLE_TOOL_SEARCH": "false",  # Claude Code: tools stand in the first request, where the model looks for them
    "GEMINI_CLI_TRUST_WORKSPACE": "true",
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_TRACING_ENABLED": "false",
}
CODEX_ASKS = (
    "codex exec --skip-git-repo-check --dangerously-bypass-approvals-and-sandbox -m loopback -c model_provider=loopback "
    "-c model_providers.loopback.name=loopback -c model_providers.loopback.base_url=$MODEL_URL 'Call echo.' </dev/null"
)
GEMINI_ASKS = "gemini -m gemini-2.5-flash --yolo -p 'Call echo.'"
CLAUDE_ASKS = "claude -p 'Call echo.' --allowedTools mcp__nexus-work"
BUILD = pathlib.Path(__file__).resolve().parents[2] / "build"


def python(name: str) -> pathlib.Path:
    return _there(BUILD / name / "bin" / "python")


def modules(name: str) -> pathlib.Path:
    return _there(BUILD / name / "node_modules")


def claude_code(folder: pathlib.Path) -> pathlib.Path:
    """Return a folder with `claude` in it: the package's own launcher, as no script has put the program in its place."""
    launcher = modules("claude-code") / "@anthropic-ai/claude-code/cli-wrapper.cjs"
    programs = folder / "programs"
    programs.mkdir()
    (programs / "claude").write_text(f'#!/bin/sh\nexec node {launcher} "$@"\n')
    (programs / "claude").chmod(0o755)
    return programs


def gemini_with(model: Model) -> dict[str, str]:
    return {**QUIET, "GOOGLE_VERTEX_BASE_URL": model.url, "GOOGLE_API_KEY": "none", "GOOGLE_GENAI_USE_VERTEXAI": "true"}


def claude_with(model: Model) -> dict[str, str]:
    return {**QUIET, "ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": "none"}


def _there(path: pathlib.Path) -> pathlib.Path:
    assert path.exists(), f"{path} is not there: run `make clients`."
    return path
