"""Entries of tools/list as the text that came: what is read of them, and what becomes of them. Pure functions."""

import hashlib
import re
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

import msgspec
from django.utils.translation import gettext_lazy as _

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
# What a client acts on. Whatever else a server writes into an entry is compared as one.
MEMBERS = ("title", "description", "inputSchema", "outputSchema", "annotations")
DECIDES_EFFECT = {"annotations", "inputSchema", "outputSchema"}  # a mark that a tool only reads rests on these
LABELS = {
    "title": _("Title"), "description": _("Description"), "inputSchema": _("Arguments"), "outputSchema": _("Result"),
    "annotations": _("What it says of its effects"), "other": _("Everything else"),
}  # fmt: skip
CONTEXT, EXCERPT = 120, 1500  # characters before a difference, and of it

# RFC 9110 section 5.6.2: what the name of a header may consist of.
HEADER = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}")

Members = dict[str, msgspec.Raw]
_members = msgspec.json.Decoder(Members)


class Named(msgspec.Struct):
    name: str


class Stated(msgspec.Struct):
    """What a page shows of an entry; a server may have written anything, so nothing is taken for granted."""

    title: Any = None
    description: Any = None
    annotations: Any = None


class Schema(msgspec.Struct):
    properties: dict[str, msgspec.Raw] = {}


class Property(msgspec.Struct):
    type: str
    header: str = msgspec.field(name="x-mcp-header")


class Mirroring(msgspec.Struct):
    inputSchema: Schema


_name = msgspec.json.Decoder(Named)
_stated = msgspec.json.Decoder(Stated)
_mirroring = msgspec.json.Decoder(Mirroring)
_property = msgspec.json.Decoder(Property)


@dataclass(frozen=True, slots=True)
class Difference:
    """A member that is not what it was, as excerpts around the first place where they part."""

    member: str
    before: list[str]  # lines
    after: list[str]

    @property
    def label(self) -> str:
        return str(LABELS[self.member])


def name_in(raw: bytes) -> str:
    """Return the name in the entry; raise msgspec.DecodeError for what is not an entry with a name."""
    return _name.decode(raw).name


def stated_in(text: str) -> Stated:
    try:
        return _stated.decode(text)
    except UNREADABLE:
        return Stated()


def parsed(text: str) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(text)
    except UNREADABLE:
        return {}
    return value if isinstance(value, dict) else {}


def digest(text: str) -> str:
    """Return the SHA-256, in hex, of the entry in canonical form: the order of its members makes no difference."""
    return hashlib.sha256(_canonical(text)).hexdigest()


def _canonical(text: str | bytes) -> bytes:
    try:
        return msgspec.json.encode(msgspec.json.decode(text), order="deterministic")
    except UNREADABLE:
        return text.encode() if isinstance(text, str) else text


def changed_members(before: str, after: str) -> list[str]:
    """Return what differs between two entries, of MEMBERS and “other”."""
    return [member for member, old, new in _pairs(before, after) if _canonical(old) != _canonical(new)]


def differences(before: str, after: str) -> list[Difference]:
    """Return what differs between two entries, as a page can show it side by side."""
    return [
        Difference(member, *_excerpts(_readable(old), _readable(new)))
        for member, old, new in _pairs(before, after)
        if _canonical(old) != _canonical(new)
    ]


def _pairs(before: str, after: str) -> list[tuple[str, bytes, bytes]]:
    old, new = _parts(before), _parts(after)
    return [(member, old[member], new[member]) for member in (*MEMBERS, "other")]


def _parts(text: str) -> dict[str, bytes]:
    try:
        members = _members.decode(text)
    except UNREADABLE:
        members = {}
    parts = {member: bytes(members.pop(member, b"")) for member in MEMBERS}
    return parts | {"other": msgspec.json.encode(members)}


def _readable(raw: bytes) -> str:
    """Return a text as it is, anything else as indented JSON, nothing for what is not there."""
    try:
        value = msgspec.json.decode(raw) if raw else ""
    except UNREADABLE:
        return raw.decode(errors="replace")
    return value if isinstance(value, str) else msgspec.json.format(_canonical(raw), indent=2).decode()


def _excerpts(old: str, new: str) -> tuple[list[str], list[str]]:
    start = max(0, _first_difference(old, new) - CONTEXT)
    return _excerpt(old, start), _excerpt(new, start)


def _first_difference(old: str, new: str) -> int:
    places = range(min(len(old), len(new)))
    return bisect_left(places, True, key=lambda place: old[: place + 1] != new[: place + 1])


def _excerpt(text: str, start: int) -> list[str]:
    end = start + CONTEXT + EXCERPT
    shown = ("…" if start else "") + text[start:end] + ("…" if len(text) > end else "")
    return shown.split("\n")


def listed_as(text: str, name: str, *, title: str = "", description: str = "") -> bytes:
    """Return the entry under another name; what is not overridden keeps its bytes and its place."""
    members: dict[str, Any] = dict(_members.decode(text))
    members["name"] = name
    members |= {member: value for member, value in (("title", title), ("description", description)) if value}
    return msgspec.json.encode(members)


def mirrored(text: str) -> tuple[tuple[str, str], ...]:
    """Return the arguments that clients send as a header `Mcp-Param-…` too: pairs of the header's end and the argument.

    MCP 2026-07-28, “Custom Headers from Tool Parameters”. A tool that declares one twice is one that clients drop.
    """
    if '"x-mcp-header"' not in text:
        return ()
    try:
        properties = _mirroring.decode(text).inputSchema.properties
    except UNREADABLE:
        return ()
    found = tuple((header, name) for name, raw in properties.items() if (header := _header_of(raw)))
    return found if len({header.lower() for header, _ in found}) == len(found) else ()


def _header_of(raw: msgspec.Raw) -> str:
    try:
        declared = _property.decode(raw)
    except UNREADABLE:
        return ""
    is_plain = declared.type in ("string", "integer", "boolean")
    return declared.header if is_plain and HEADER.fullmatch(declared.header) else ""
