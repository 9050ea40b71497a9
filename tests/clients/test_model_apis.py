"""The set-ups for the model APIs, unchanged, with the vendors' packages; the vendor, who is to call the hub, is on loopback."""

import json

import pytest

from tests.clients.conftest import tools_called
from tests.clients.environments import python
from tests.clients.model_server import DONE, running_model
from tests.clients.pasting import save, set_up, shell

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.flow]
# What a package's own types say of the arguments that it was given.
CHECK = """
import json, sys
from importlib import import_module
from pydantic import ConfigDict, TypeAdapter, with_config
module, name = sys.argv[1:]
kind = getattr(import_module(module), name)
TypeAdapter(with_config(ConfigDict(extra="forbid"))(kind)).validate_python(json.load(sys.stdin))
"""


def asked_for(ready, facts, folder, slug: str, environment: str, **addresses: str) -> dict:
    """Run the set-up, and return what the vendor was asked."""
    pasted = set_up(facts, slug)
    save(pasted, folder)
    with running_model() as model:
        told = {name: address.format(model.url) for name, address in addresses.items()}
        said = shell(ready, f"{python(environment)} {pasted.file}", folder, MODEL="loopback", **told)
    assert DONE in said
    (asked,) = model.asked
    return asked


def fits(ready, folder, environment: str, module: str, name: str, part: dict) -> None:
    (folder / "check.py").write_text(CHECK)
    (folder / "part.json").write_text(json.dumps(part))
    shell(ready, f"{python(environment)} check.py {module} {name} < part.json", folder)


def called_by_the_vendor(ready, url: str, secret: str) -> bool:
    return ready.live.tool(secret, "echo__echo", {"text": "hi"}, url=url).status_code == 200


def test_openai_gets_what_its_responses_api_takes(ready, facts, tmp_path):
    asked = asked_for(
        ready, facts, tmp_path, "openai-responses", "openai-agents", OPENAI_BASE_URL="{}/v1", OPENAI_API_KEY="none"
    )
    (tool,) = asked["tools"]
    fits(ready, tmp_path, "openai-agents", "openai.types.responses.tool_param", "Mcp", tool)
    assert called_by_the_vendor(ready, tool["server_url"], tool["authorization"])
    assert tools_called() == [("echo__echo", "ok")]


def test_anthropic_gets_what_its_messages_api_takes(ready, facts, tmp_path):
    asked = asked_for(
        ready, facts, tmp_path, "claude-api", "claude-api", ANTHROPIC_BASE_URL="{}", ANTHROPIC_API_KEY="none"
    )
    (server,), (tools,) = asked["mcp_servers"], asked["tools"]
    types = "anthropic.types.beta"
    fits(ready, tmp_path, "claude-api", types, "BetaRequestMCPServerURLDefinitionParam", server)
    fits(ready, tmp_path, "claude-api", types, "BetaMCPToolsetParam", tools)
    assert tools["mcp_server_name"] == server["name"]
    assert called_by_the_vendor(ready, server["url"], server["authorization_token"])
    assert tools_called() == [("echo__echo", "ok")]
