"""Set-ups of applications that nobody can run here, and that offer no schema, against what their vendors document."""

import json
import shlex

import pytest

from tests.clients.pasting import set_up
from tests.tokens.test_clients import FACTS, URL
from tokens import clients
from tokens.clients import Auth
from tokens.clients.filling import SLOT

SHORT_URL = URL.replace("/hub/mcp", "/mcp")


def fields(slug: str, auth: Auth, label: str = "") -> dict[str, str]:
    return dict(set_up(FACTS, slug, label, auth).fields)


def steps(slug: str, auth: Auth, label: str = "") -> str:
    return " ".join(set_up(FACTS, slug, label, auth).steps)


@pytest.mark.parametrize("slug", ["claude-ai", "chatgpt"])
def test_a_chat_application_without_a_place_for_a_token_is_not_offered_one(slug):
    client = clients.every()[slug]
    assert (client.auth, client.needs_public) == ([Auth.BROWSER], [Auth.BROWSER])
    assert not client.filled(FACTS, Auth.TOKEN)


@pytest.mark.parametrize("slug", ["claude-ai", "claude-desktop"])
def test_a_claude_connector_gets_the_address_that_ends_in_mcp(slug):
    assert fields(slug, Auth.BROWSER) == {"Name": "Nexus Büro & Co", "URL": SHORT_URL}
    assert "Add custom connector" in steps(slug, Auth.BROWSER)
    assert "client id and secret empty" in steps(slug, Auth.BROWSER)


def test_chatgpt_makes_an_app_in_its_developer_mode():
    assert fields("chatgpt", Auth.BROWSER) == {"Name": "Nexus Büro & Co", "MCP server URL": URL}
    assert all(word in steps("chatgpt", Auth.BROWSER) for word in ("developer mode", "Create app", "OAuth"))


@pytest.mark.parametrize(
    ("slug", "label", "auth", "said", "chosen"),
    [
        ("zapier", "", Auth.TOKEN, {"Server URL": URL, "Bearer token": SLOT}, ["MCP Client", "Streamable HTTP", "No for OAuth"]),
        ("zapier", "", Auth.BROWSER, {"Server URL": URL}, ["MCP Client", "Streamable HTTP", "Yes for OAuth"]),
        ("make", "", Auth.BROWSER, {"URL": URL}, ["MCP Client"]),
        ("activepieces", "", Auth.TOKEN, {"Server URL": URL, "Access token": SLOT}, ["Streamable HTTP", "Access Token"]),
        ("n8n", "One node", Auth.TOKEN, {"Endpoint": URL, "Bearer token": SLOT}, ["MCP Client Tool", "HTTP Streamable", "Bearer Auth"]),
        ("n8n", "", Auth.BROWSER, {"Endpoint": URL}, ["MCP OAuth2", "Dynamic Client Registration"]),
        ("raycast", "", Auth.BROWSER, {"Name": "nexus-work", "URL": URL}, ["Install MCP Server", "HTTP", "Dynamic"]),
        ("raycast", "", Auth.TOKEN, {"Name": "nexus-work", "URL": URL, "Header Authorization": f"Bearer {SLOT}"}, ["HTTP"]),
        ("goose", "", Auth.BROWSER, {"Name": "nexus-work", "Endpoint": URL}, ["goose configure", "Remote Extension (Streamable HTTP)"]),
        ("open-webui", "", Auth.TOKEN, {"URL": URL, "ID": "nexus-work", "Name": "Nexus Büro & Co", "Key": SLOT}, ["MCP (Streamable HTTP)", "Bearer"]),
        ("open-webui", "", Auth.BROWSER, {"URL": URL, "ID": "nexus-work", "Name": "Nexus Büro & Co"}, ["OAuth 2.1", "Register Client"]),
        ("any", "URL and header", Auth.TOKEN, {"URL": URL, "Header Authorization": f"Bearer {SLOT}"}, ["Streamable HTTP"]),
    ],
)  # fmt: skip
def test_a_form_is_filled_in_as_its_vendor_names_it(slug, label, auth, said, chosen):
    assert fields(slug, auth, label) == said
    assert [word for word in chosen if word not in steps(slug, auth, label)] == []


@pytest.mark.parametrize("slug", ["zapier", "activepieces", "n8n", "open-webui", "openai-agent-builder"])
def test_a_field_for_a_token_gets_it_without_the_word_bearer(slug):
    bare = [set_up for set_up in clients.every()[slug].filled(FACTS, Auth.TOKEN) if set_up.fields]
    assert bare
    assert all(SLOT in dict(set_up.fields).values() for set_up in bare)


def test_make_sends_one_post():
    pasted = set_up(FACTS, "make", "HTTP module")
    assert dict(pasted.fields) == {"URL": URL, "Authorization": f"Bearer {SLOT}", "Content-Type": "application/json"}
    assert "POST" in pasted.steps[0]
    assert json.loads(pasted.text)["params"] == {"name": "echo__echo", "arguments": json.loads(FACTS.arguments)}


@pytest.mark.parametrize(
    ("slug", "label", "auth", "said"),
    [
        ("devin-desktop", "", Auth.BROWSER, [["devin", "mcp", "add", "-s", "user", "nexus-work", URL], ["devin", "mcp", "login", "nexus-work"]]),
        ("devin-desktop", "Command line", Auth.TOKEN, [["devin", "mcp", "add", "-s", "user", "-H", "Authorization: Bearer $NEXUS_TOKEN", "nexus-work", URL]]),
        ("claude-code", "", Auth.BROWSER, [["claude", "mcp", "add", "--transport", "http", "-s", "user", "nexus-work", URL], ["claude", "mcp", "login", "nexus-work"]]),
        ("codex", "", Auth.BROWSER, [["codex", "mcp", "add", "nexus-work", "--url", URL]]),
        ("gemini-cli", "", Auth.BROWSER, [["gemini", "mcp", "add", "-s", "user", "-t", "http", "nexus-work", URL], ["gemini", "-i", "/mcp auth nexus-work"]]),
    ],
)  # fmt: skip
def test_a_command_has_the_words_that_its_program_takes(slug, label, auth, said):
    assert [shlex.split(line) for line in set_up(FACTS, slug, label, auth).text.splitlines()] == said


@pytest.mark.parametrize(("slug", "members"), [("cursor", "mcpServers"), ("zed", "context_servers")])
def test_a_file_for_the_browser_holds_the_address_alone(slug, members):
    """A header there would keep Zed from signing in."""
    assert json.loads(set_up(FACTS, slug, auth=Auth.BROWSER).text) == {members: {"nexus-work": {"url": URL}}}
    assert clients.every()[slug].auth[0] is Auth.BROWSER


def test_vs_code_adds_a_server_by_command():
    program, option, server = shlex.split(set_up(FACTS, "vscode", "Command line", Auth.BROWSER).text)
    assert (program, option) == ("code", "--add-mcp")
    assert json.loads(server) == {"name": "nexusWork", "type": "http", "url": URL}
