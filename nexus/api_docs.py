"""The page that explains the REST API: made of the schema, so that it says what is so."""

import json
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe
from markdown_it import MarkdownIt

from nexus.api import schema_json
from profiles.access import current_account
from profiles.models import Toolkit

# Bodies that do something as they stand; for the others the schema's required members are enough.
BODIES: dict[str, dict[str, Any]] = {
    "issue_token": {"profile": "default", "name": "n8n, production", "expires_in": 604800},
    "rotate_token": {"overlap_seconds": 3600},
    "revoke_token": {"reason": "unneeded"},
    "revoke_key": {"reason": "unneeded"},
    "revoke_tokens": {"ids": ["$TOKEN"], "reason": "leaked"},
    "change_me": {"time_zone": "Europe/Berlin"},
    "change_notifications": {"mail_stages": ["24h", "expired"]},
    "change_profile": {"description": "For the support team"},
    "create_profile": {"alias": "support", "name": "Support"},
    "choose_of_server": {"allowed": ["get_current_time"]},
    "add_server": {"name": "Issue tracker", "url": "https://tracker.example.com/mcp"},
    "change_policy": {"max_life_days": 14},
}
NOUNS = {"server_pk": "SERVER", "entry_pk": "TOOL", "delivery_pk": "DELIVERY"}


@dataclass(frozen=True, slots=True)
class Member:
    """A parameter, or a member of a body."""

    name: str
    kind: str
    is_required: bool
    about: SafeString


@dataclass(frozen=True, slots=True)
class Operation:
    name: str
    noun: str
    method: str
    path: str  # below /api/v1
    summary: str
    about: SafeString
    scope: str
    members: list[Member]
    statuses: list[str]
    curl: str


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Show how to begin, and every operation with a command that runs."""
    account = current_account(request)
    toolkit = Toolkit.objects.usable_by(request.user).filter(account=account).first()
    base = f"{settings.NEXUS_BASE_URL}/api/v1"
    context = {
        "base": base,
        "nouns": [(noun, list(each)) for noun, each in groupby(operations(), lambda operation: operation.noun)],
        "steps": first_steps(base, toolkit.alias if toolkit else "default"),
    }
    return render(request, "api/docs.html", context)


def first_steps(base: str, alias: str) -> list[tuple[str, str, str]]:
    """Return title, id and commands of what to try first; one after the other in the same shell."""
    key = 'AUTH="Authorization: Bearer $NEXUS_KEY"'
    body = json.dumps({"profile": alias, "name": "first try", "expires_in": 3600})
    once = '-H "Idempotency-Key: $(uuidgen)"'
    sent = f"-H 'Content-Type: application/json' {once} \\\n  -d '{body}'"
    return [
        ("See whose key it is", "first-me", f'{key}\ncurl -s -H "$AUTH" {base}/me'),
        ("Issue a token for an hour", "first-issue", f'curl -s -H "$AUTH" {sent} {base}/tokens'),
        ("List your tokens", "first-list", f'curl -s -H "$AUTH" "{base}/tokens?state=ending&limit=10"'),
    ]


@cache
def operations() -> list[Operation]:
    """Return every operation of the schema, by noun and address."""
    schema = json.loads(schema_json())
    found = [
        _operation(schema, path, method, each)
        for path, methods in schema["paths"].items()
        for method, each in methods.items()
    ]
    return sorted(found, key=lambda operation: (operation.noun, operation.path, operation.method))


def _operation(schema: dict[str, Any], path: str, method: str, said: dict[str, Any]) -> Operation:
    security: list[str] = next((each["key"] for each in said.get("security", []) if "key" in each), [])
    body = _body(schema, said)
    return Operation(
        name=said["operationId"], noun=said["tags"][0], method=method.upper(),
        path=path.removeprefix("/api/v1"), summary=said["summary"],
        about=_words(said.get("description", "")), scope=", ".join(security),
        members=[*map(_parameter, said.get("parameters", [])), *_members(body)],
        statuses=sorted(said["responses"]), curl=_curl(path, method, said, body),
    )  # fmt: skip


def _body(schema: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    content = said.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return {}
    name = content["schema"]["$ref"].rpartition("/")[2]
    found: dict[str, Any] = schema["components"]["schemas"][name]
    return found


def _parameter(said: dict[str, Any]) -> Member:
    about = _words(said.get("description", ""))
    return Member(said["name"], f"{said['in']}, {_kind(said['schema'])}", said.get("required", False), about)


def _members(body: dict[str, Any]) -> list[Member]:
    required = body.get("required", [])
    return [
        Member(name, _kind(said), name in required, _words(said.get("description", "")))
        for name, said in body.get("properties", {}).items()
    ]


def _words(text: str) -> SafeString:
    """Return a description, which is CommonMark, without any HTML of its own."""
    return mark_safe(MarkdownIt("commonmark", {"html": False}).renderInline(text))  # noqa: S308


def _kind(said: dict[str, Any]) -> str:
    if "enum" in said:
        return " | ".join(str(value) for value in said["enum"])
    if "allOf" in said or "oneOf" in said or "$ref" in said:
        return "object"
    kind = said.get("type", "any")
    words = kind if isinstance(kind, str) else " or ".join(kind)
    if words.startswith("array"):
        return f"list of {_kind(said.get('items', {}))}"
    return str(said.get("format", words))


def _curl(path: str, method: str, said: dict[str, Any], body: dict[str, Any]) -> str:
    """Return the command; what is yours to fill in is a variable of the shell."""
    address = f"{settings.NEXUS_BASE_URL}{path}"
    for parameter in said.get("parameters", []):
        if parameter["in"] == "path":
            address = address.replace(f"{{{parameter['name']}}}", f"${_variable(parameter['name'], path)}")
    lines = [] if method in ("get", "post") and (method == "get" or body) else [f"-X {method.upper()}"]
    if security := said.get("security"):
        lines.append(f'-H "Authorization: Bearer ${"NEXUS_KEY" if "key" in security[0] else "NEXUS_TOKEN"}"')
    if body:
        example = BODIES.get(said["operationId"]) or {name: _example(name, body) for name in body.get("required", [])}
        lines += ["-H 'Content-Type: application/json'", _data(example)]
    return " \\\n  ".join([f'curl -s "{address}"', *lines])


def _data(example: dict[str, Any]) -> str:
    text = json.dumps(example)
    if "$" not in text:
        return f"-d '{text}'"
    escaped = text.replace('"', '\\"')  # between double quotes, where the shell fills variables in
    return f'-d "{escaped}"'


def _variable(name: str, path: str) -> str:
    return NOUNS.get(name) or path.split("/")[3].rstrip("s").upper()


def _example(name: str, body: dict[str, Any]) -> Any:
    said = body["properties"][name]
    kind = _kind(said)
    if "enum" in said:
        return said["enum"][0]
    if kind.startswith("list"):
        values = said.get("items", {}).get("enum", [f"${name.upper()}"])
        return values[:1]
    words = {"integer": 1, "boolean": True, "uuid": f"${name.upper()}", "email": "dora@example.com"}
    return words.get(kind, "https://example.com/hook" if name == "url" else f"a {name}")
