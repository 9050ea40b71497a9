"""Templates of set-ups: {{ name }} and {{ name|filter|filter }}, so that whatever a name holds stays data."""

import base64
import json
import re
import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Self
from urllib.parse import quote, urlsplit

from django.conf import settings

from profiles.models import Toolkit, ToolkitTool
from tokens import samples

SLOT = "\ue000"  # where a token goes, if a client cannot read it elsewhere; no name and no JSON of ours has it
LONGEST_NAME = 24  # characters that every client takes of a server's name
LOOKED_AT = 100  # tools, for one that is easy to try
STATUS_TOOL = "nexus_status"
PLACE = re.compile(r"\{\{ (\w+)((?:\|\w+)*) \}\}")

FILTERS: dict[str, Callable[[str], str]] = {
    "shell": shlex.quote,
    "json": json.dumps,  # JavaScript, Python, TOML and YAML read these strings too
    "percent": lambda text: quote(text, safe=""),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "powershell": lambda text: "'" + text.replace("'", "''") + "'",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What set-ups are filled with."""

    url: str
    short_url: str  # the alias /mcp, which some clients insist on
    name: str
    camel: str
    title: str
    tool: str
    arguments: str  # JSON
    allow_http: str
    token: str = SLOT

    @classmethod
    def of(cls, toolkit: Toolkit) -> Self:
        tool, arguments = _tool_to_try(toolkit)
        name = f"nexus-{toolkit.alias}"[:LONGEST_NAME].rstrip("-")
        return cls._at(toolkit.mcp_url, name, f"Nexus {toolkit.name}", tool, json.dumps(arguments))

    @classmethod
    def of_any(cls) -> Self:
        """Return what holds for every toolkit: the address alone, which a token or a person narrows to one."""
        return cls._at(f"{settings.NEXUS_BASE_URL}/hub/mcp", "nexus", "Nexus", STATUS_TOOL, "{}")

    @classmethod
    def _at(cls, url: str, name: str, title: str, tool: str, arguments: str) -> Self:
        first, *others = name.split("-")
        return cls(
            url=url,
            short_url=url.replace("/hub/mcp", "/mcp", 1),
            name=name,
            camel=first + "".join(word.capitalize() for word in others),
            title=title,
            tool=tool,
            arguments=arguments,
            allow_http=', "--allow-http"' if urlsplit(settings.NEXUS_BASE_URL).scheme == "http" else "",
        )


def fill(template: str, facts: Facts, values: dict[str, str]) -> str:
    """Return the template with everything named filled in; raise KeyError for a name that nobody knows."""
    known = asdict(facts)

    def value(match: re.Match[str]) -> str:
        name = match[1]
        text = known[name] if name in known else fill(values[name], facts, {})
        for each in match[2].split("|")[1:]:
            text = FILTERS[each](text)
        return text

    return PLACE.sub(value, template)


def _tool_to_try(toolkit: Toolkit) -> tuple[str, Any]:
    entries = toolkit.allowed_entries().select_related("tool")[:LOOKED_AT]
    entry: ToolkitTool | None = samples.easiest(entries)
    return (entry.exposed_name, samples.arguments_of(entry)) if entry else (STATUS_TOOL, {})
