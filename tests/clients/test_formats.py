"""Set-ups of clients that cannot be run here, held against their vendors' own checks, and against what others write for them."""

import json
import os
import subprocess
import tomllib
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from tests.clients.environments import BUILD, modules
from tests.clients.node import HERE, NODE
from tests.clients.pasting import LOOPBACK_ONLY, set_up
from tests.tokens.test_clients import FACTS, URL
from tokens import clients
from tokens.clients import Auth
from tokens.clients.filling import SLOT

pytestmark = [pytest.mark.flow]
BEARER = "Bearer the-token"


def run(*command, told: str = "", **options) -> str:
    ended = subprocess.run(
        [NODE, *map(str, command)], input=told, capture_output=True, text=True, timeout=60, check=False, **options
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def checked(folder, workflow: Any, servers: Any) -> dict[str, Any]:
    (folder / "node_modules").symlink_to(modules("formats"))
    script = folder / "check_formats.mjs"
    script.write_text((HERE / "check_formats.mjs").read_text())
    schemas = [str(BUILD / "n8n" / name / "node-definitions") for name in ("n8n-nodes-base", "n8n-n8n-nodes-langchain")]
    return json.loads(run(script, told=json.dumps([workflow, schemas, servers])))


def librechat(auth: Auth) -> dict[str, Any]:
    return yaml.safe_load(set_up(FACTS, "librechat", auth=auth).text)["mcpServers"]


def test_n8n_and_librechat_find_nothing_wrong(tmp_path):
    servers = {"browser": librechat(Auth.BROWSER)["nexus-work"], "token": librechat(Auth.TOKEN)["nexus-work"]}
    said = checked(tmp_path, json.loads(set_up(FACTS, "n8n", "Workflow").text), servers)
    chat_model = (
        'AI Agent: Node "AI Agent": Required field "subnodes.model" is missing.'  # which one is up to the person
    )
    assert said == {"n8n": [chat_model], "librechat": ""}


def test_they_would_find_what_is_wrong(tmp_path):
    workflow = json.loads(set_up(FACTS, "n8n", "Workflow").text.replace("httpStreamable", "carrier-pigeon"))
    said = checked(tmp_path, workflow, {"nexus": {"type": "streamable-http"}})
    assert {found.partition(":")[0] for found in said["n8n"]} == {"AI Agent", "Nexus", "Nexus call"}
    assert "url" in said["librechat"]


def written(folder, agent: str, file: str) -> str:
    """Return what add-mcp, which knows where and how each agent keeps its servers, writes for this one."""
    program = modules("formats") / ".bin/add-mcp"
    told = {"HOME": str(folder), "PATH": f"{NODE.parent}:{os.environ['PATH']}", **LOOPBACK_ONLY}
    run(
        program,
        URL,
        "-a",
        agent,
        "-n",
        FACTS.name,
        "-g",
        "-y",
        "--header",
        f"Authorization: {BEARER}",
        env=told,
        cwd=folder,
    )
    return (folder / file).read_text()


def ours(slug: str, label: str = "") -> str:
    """Return our set-up with the token in it, wherever it would be read from."""
    text = set_up(FACTS, slug, label).text.replace(SLOT, "the-token")
    for reference in ("${env:NEXUS_TOKEN}", "${input:nexus_token}", "${NEXUS_TOKEN}", "$NEXUS_TOKEN"):
        text = text.replace(reference, "the-token")
    return text


@pytest.mark.parametrize(
    ("slug", "label", "agent", "file", "members"),
    [
        ("cursor", "mcp.json", "cursor", ".cursor/mcp.json", "mcpServers"),
        ("lm-studio", "mcp.json", "cursor", ".cursor/mcp.json", "mcpServers"),  # LM Studio reads Cursor's notation
        ("devin-desktop", "Windsurf mcp_config.json", "windsurf", ".codeium/windsurf/mcp_config.json", "mcpServers"),
        ("gemini-cli", "settings.json", "gemini-cli", ".gemini/settings.json", "mcpServers"),
        ("claude-code", ".mcp.json", "claude-code", ".claude.json", "mcpServers"),
        ("any", "mcp.json", "claude-code", ".claude.json", "mcpServers"),
        ("vscode", ".vscode/mcp.json", "vscode", ".config/Code/User/mcp.json", "servers"),
    ],
)
def test_a_file_says_what_add_mcp_writes(tmp_path, slug, label, agent, file, members):
    theirs = json.loads(written(tmp_path, agent, file))[members][FACTS.name]
    (mine,) = json.loads(ours(slug, label))[members].values()
    assert mine == theirs


def test_zed_takes_an_address_without_what_add_mcp_writes_for_older_ones(tmp_path):
    theirs = json.loads(written(tmp_path, "zed", ".config/zed/settings.json"))["context_servers"][FACTS.name]
    mine = json.loads(ours("zed"))["context_servers"][FACTS.name]
    assert {**mine, "source": "custom", "type": "http"} == theirs


def test_goose_reads_what_add_mcp_writes(tmp_path):
    theirs = yaml.safe_load(written(tmp_path, "goose", ".config/goose/config.yaml"))["extensions"][FACTS.name]
    mine = yaml.safe_load(ours("goose"))["extensions"][FACTS.name]
    assert {**mine, "description": ""} == theirs


def test_codex_keeps_the_token_in_the_environment_instead(tmp_path):
    theirs = tomllib.loads(written(tmp_path, "codex", ".codex/config.toml"))["mcp_servers"][FACTS.name]
    mine = tomllib.loads(set_up(FACTS, "codex", "config.toml").text)["mcp_servers"][FACTS.name]
    assert (mine.pop("bearer_token_env_var"), theirs.pop("http_headers")) == ("NEXUS_TOKEN", {"Authorization": BEARER})
    assert {**mine, "type": "http"} == theirs


def test_the_link_to_vs_code_and_its_command_say_what_the_file_says():
    server = json.loads(unquote(clients.every()["vscode"].address(FACTS).partition("?")[2]))
    ((name, mine),) = json.loads(set_up(FACTS, "vscode", auth=Auth.BROWSER).text)["servers"].items()
    assert server == {"name": name, **mine}
