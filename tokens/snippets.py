"""Lines that run as they stand when pasted into a shell; the secret is in the environment, never in the lines."""

import json
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from profiles.models import Toolkit, ToolkitTool

DEPTH = 4
BY_NAME = {
    "timezone": "UTC",
    "time": "12:00",
    "time_zone": "UTC",
    "url": "https://example.com/",
    "email": "someone@example.com",
}
BY_FORMAT = {
    "uri": "https://example.com/", "email": "someone@example.com", "date": "2026-12-24", "time": "12:00:00Z",
    "date-time": "2026-12-24T12:00:00Z", "uuid": "00000000-0000-4000-8000-000000000000",
}  # fmt: skip

CURL = """\
curl -sS {url} \\
  -H "Authorization: Bearer $NEXUS_TOKEN" -H 'Content-Type: application/json' \\
  -d {listing}
"""
CURL_CALL = """
curl -sS {url} \\
  -H "Authorization: Bearer $NEXUS_TOKEN" -H 'Content-Type: application/json' \\
  -d {call}
"""
NODE = """\
node --input-type=module - <<'JS'
const url = {url};
async function ask(method, params) {{
  const answer = await fetch(url, {{
    method: "POST",
    headers: {{ Authorization: `Bearer ${{process.env.NEXUS_TOKEN}}`, "Content-Type": "application/json" }},
    body: JSON.stringify({{ jsonrpc: "2.0", id: 1, method, params }}),
  }});
  return answer.json();
}}
console.log(JSON.stringify(await ask("tools/list", {{}}), null, 2));
{call}JS
"""
NODE_CALL = 'console.log(JSON.stringify(await ask("tools/call", {params}), null, 2));\n'
PYTHON = """\
# pip install 'mcp>=2' httpx2
python3 - <<'PY'
import asyncio
import json
import os

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

URL = {url}
HEADERS = {{"Authorization": f"Bearer {{os.environ['NEXUS_TOKEN']}}"}}


async def main():
    async with httpx2.AsyncClient(headers=HEADERS, timeout=60) as http:
        async with Client(streamable_http_client(URL, http_client=http)) as client:
            print([tool.name for tool in (await client.list_tools()).tools])
{call}

asyncio.run(main())
PY
"""
PYTHON_CALL = "            print(await client.call_tool({name}, json.loads({arguments})))\n"


@dataclass(frozen=True, slots=True)
class Snippet:
    key: str
    label: str
    text: str


def of(toolkit: Toolkit) -> list[Snippet]:
    """Return curl, JavaScript and Python that list the toolkit's tools and call one of them."""
    entry = easiest(toolkit.allowed_entries().select_related("tool"))
    url, arguments = toolkit.mcp_url, _arguments(entry)
    params = {"name": entry.exposed_name, "arguments": arguments} if entry else None
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    curl = CURL.format(url=shlex.quote(url), listing=shlex.quote(json.dumps(listing)))
    node_call = python_call = ""
    if entry:
        call = json.dumps({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params})
        curl += CURL_CALL.format(call=shlex.quote(call), url=shlex.quote(url))
        node_call = NODE_CALL.format(params=json.dumps(params))
        # JSON text, as a string literal that Python and JSON both read.
        python_call = PYTHON_CALL.format(
            name=json.dumps(entry.exposed_name), arguments=json.dumps(json.dumps(arguments))
        )
    return [
        Snippet("curl", "curl", curl),
        Snippet("javascript", "JavaScript", NODE.format(url=json.dumps(url), call=node_call)),
        Snippet("python", "Python", PYTHON.format(url=json.dumps(url), call=python_call)),
    ]


def env_lines(toolkit: Toolkit) -> str:
    """Return the line of an .env file that is no secret; single quotes make it safe for a shell to read."""
    return f"NEXUS_URL={shlex.quote(toolkit.mcp_url)}"


def easiest(entries: Iterable[ToolkitTool]) -> ToolkitTool | None:
    """Return the tool that is safest to try: not destructive, and with the fewest arguments to invent."""
    return min(entries, key=_effort, default=None)


def _effort(entry: ToolkitTool) -> tuple[bool, int, bool, int]:
    definition = entry.tool.parsed
    annotations = definition.get("annotations")
    destroys = isinstance(annotations, dict) and annotations.get("destructiveHint") is True
    schema = definition.get("inputSchema")
    required = schema.get("required") if isinstance(schema, dict) else None
    return destroys, len(required) if isinstance(required, list) else 0, not entry.tool.is_read_only, entry.tool_id


def _arguments(entry: ToolkitTool | None) -> Any:
    return example(entry.tool.parsed.get("inputSchema")) if entry else {}


def example(schema: Any, name: str = "", depth: int = 0) -> Any:
    """Return a value that the JSON Schema takes, as far as that can be told; only what is required is filled in."""
    if not isinstance(schema, dict) or depth > DEPTH:
        return {} if depth == 0 else "example"
    for given in (
        schema.get("const"),
        schema.get("default"),
        *_list(schema, "examples")[:1],
        *_list(schema, "enum")[:1],
    ):
        if given is not None:
            return given
    for option in (*_list(schema, "anyOf"), *_list(schema, "oneOf")):
        return example(option, name, depth)
    kind = schema.get("type", "object" if depth == 0 else "string")
    if kind == "object":
        properties = schema.get("properties")
        known = properties if isinstance(properties, dict) else {}
        required = [key for key in _list(schema, "required") if isinstance(key, str)]
        return {key: example(known.get(key), key, depth + 1) for key in required}
    if kind == "array":
        return [example(schema.get("items"), name, depth + 1)] if schema.get("minItems") else []
    return _scalar(schema, kind, name)


def _scalar(schema: dict[str, Any], kind: Any, name: str) -> Any:
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    if kind == "boolean":
        return False
    if kind == "null":
        return None
    by_name = next((value for key, value in BY_NAME.items() if name.endswith(key)), "example")
    return BY_FORMAT.get(str(schema.get("format")), by_name)


def _list(schema: dict[str, Any], key: str) -> list[Any]:
    value = schema.get(key)
    return value if isinstance(value, list) else []
