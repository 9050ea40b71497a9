"""A first call to try: the tool that is safest to call, and arguments that its schema takes. Pure functions."""

from collections.abc import Iterable
from typing import Any

from profiles.models import ToolkitTool

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


def arguments_of(entry: ToolkitTool) -> Any:
    return example(entry.tool.parsed.get("inputSchema"))


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
