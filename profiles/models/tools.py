from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from django.db import models
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from profiles import definitions

if TYPE_CHECKING:
    from profiles.models.servers import Server


@dataclass(frozen=True, slots=True)
class Altered:
    """A tool that its server lists otherwise than before."""

    tool: "Tool"  # as it is now
    before: str  # the definition that it had
    digest_before: str

    @property
    def has_another_meaning(self) -> bool:
        return self.tool.digest != self.digest_before


class ToolQuerySet(models.QuerySet["Tool"]):
    def listed(self) -> Self:
        """Return the tools that their server named when it was last asked."""
        return self.filter(last_seen_at=F("server__listed_at"))

    def meet(self, server: "Server", entries: Sequence[bytes], *, now: datetime) -> tuple[bool, list[Altered]]:
        """Store what a server lists now; return whether it is another list than before, and what it altered."""
        listed = {definitions.name_in(raw): raw.decode() for raw in entries}
        known = {tool.name: tool for tool in self.filter(server=server)}
        offered = {name for name, tool in known.items() if tool.last_seen_at == server.listed_at}
        new = [Tool.listed_by(server, name, listed[name], now=now) for name in listed if name not in known]
        self.bulk_create(new)
        altered = [
            tool.redefined(listed[name])
            for name, tool in known.items()
            if name in listed and tool.definition != listed[name]
        ]
        self.bulk_update([each.tool for each in altered], ["definition", "digest"], batch_size=200)
        self.filter(server=server, name__in=listed).update(last_seen_at=now)
        return bool(altered) or offered != set(listed), altered


class Tool(models.Model):
    """A tool as its server lists it."""

    server = models.ForeignKey("Server", on_delete=models.CASCADE, related_name="tools")
    name = models.CharField(max_length=200)
    definition = models.TextField(help_text=_("The entry of tools/list, as the text that came."))
    digest = models.CharField(
        max_length=64, editable=False, help_text=_("SHA-256 of the definition in canonical form.")
    )
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    objects = ToolQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["server", "name"], name="tool_once_per_server")]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def listed_by(cls, server: "Server", name: str, definition: str, *, now: datetime) -> "Tool":
        """Return a tool that is new, and not saved."""
        digest = definitions.digest(definition)
        return cls(server=server, name=name, definition=definition, digest=digest, first_seen_at=now, last_seen_at=now)

    def redefined(self, definition: str) -> Altered:
        """Take over what the server lists now, without saving it."""
        altered = Altered(self, self.definition, self.digest)
        self.definition, self.digest = definition, definitions.digest(definition)
        return altered

    @cached_property
    def stated(self) -> definitions.Stated:
        return definitions.stated_in(self.definition)

    @cached_property
    def parsed(self) -> dict[str, Any]:
        """Return the whole definition as a value; empty if it cannot be read."""
        return definitions.parsed(self.definition)

    @property
    def annotations(self) -> dict[str, Any]:
        return self.stated.annotations if isinstance(self.stated.annotations, dict) else {}

    @property
    def title(self) -> str:
        return str(self.stated.title or self.annotations.get("title") or self.name)

    @property
    def description(self) -> str:
        return str(self.stated.description or "")

    @property
    def is_read_only(self) -> bool:
        """Return what the server claims about the tool; it proves nothing."""
        return self.annotations.get("readOnlyHint") is True

    @property
    def arguments(self) -> list[str]:
        schema = self.parsed.get("inputSchema")
        properties = schema.get("properties") if isinstance(schema, dict) else None
        return list(properties) if isinstance(properties, dict) else []

    @property
    def size(self) -> int:
        """Return how many characters the tool takes in a model's context."""
        return len(self.definition)
