from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from django.core.validators import MaxLengthValidator
from django.db import models
from django.db.models import F, OuterRef, Q, Subquery
from django.utils.translation import gettext_lazy as _

from profiles import definitions
from profiles.models.servers import Server
from profiles.models.tools import Altered, Tool

MAX_TITLE = 200  # characters
MAX_DESCRIPTION = 4000


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person chose of one server: tools by their ids. No marks given leaves them as they are."""

    allowed: frozenset[int]
    read_only: frozenset[int] | None = None
    offers_resources: bool = False
    offers_prompts: bool = False


class ToolkitServer(models.Model):
    """A server's place in a toolkit, and what of it the toolkit offers besides tools."""

    toolkit = models.ForeignKey("Toolkit", on_delete=models.CASCADE, related_name="places")
    server = models.ForeignKey(Server, on_delete=models.CASCADE, related_name="places")
    added_at = models.DateTimeField()
    offers_resources = models.BooleanField(_("offer its resources"), default=False)
    offers_prompts = models.BooleanField(_("offer its prompts"), default=False)

    class Meta:
        ordering = ["added_at", "id"]
        constraints = [models.UniqueConstraint(fields=["toolkit", "server"], name="server_once_per_toolkit")]

    def __str__(self) -> str:
        return f"{self.server} in {self.toolkit}"

    @property
    def entries(self) -> "ToolkitToolQuerySet":
        return ToolkitTool.objects.filter(toolkit_id=self.toolkit_id, tool__server_id=self.server_id)

    def choose(self, choice: Choice) -> None:
        """Allow exactly these tools. What is allowed already keeps its approval: choosing is not approving."""
        self.entries.update(is_new=False)
        self.entries.exclude(tool_id__in=choice.allowed).refuse()
        self.entries.filter(tool_id__in=choice.allowed, is_allowed=False).allow()
        if choice.read_only is not None:
            self.entries.exclude(tool_id__in=choice.read_only).update(is_marked_read_only=False)
            self.entries.filter(tool_id__in=choice.read_only).update(is_marked_read_only=True)
        self.offers_resources, self.offers_prompts = choice.offers_resources, choice.offers_prompts
        self.save(update_fields=["offers_resources", "offers_prompts"])

    def chosen(self) -> dict[str, Any]:
        rows = list(self.entries.order_by("tool__name").values("tool__name", "is_allowed", "is_marked_read_only"))
        return {
            "allowed": [row["tool__name"] for row in rows if row["is_allowed"]],
            "read_only": [row["tool__name"] for row in rows if row["is_marked_read_only"]],
            "offers_resources": self.offers_resources,
            "offers_prompts": self.offers_prompts,
        }


class ToolkitToolQuerySet(models.QuerySet["ToolkitTool"]):
    def offered(self) -> Self:
        """Return those whose server is there, and named the tool when it was last asked."""
        return self.filter(tool__server__removed_at=None, tool__last_seen_at=F("tool__server__listed_at"))

    def visible(self) -> Self:
        """Return what clients see and may call: the one rule of both."""
        return self.offered().filter(
            Q(toolkit__is_read_only=False) | Q(is_marked_read_only=True),
            Q(toolkit__holds_changed_tools=False) | Q(approved_digest=F("tool__digest")),
            is_allowed=True,
        )

    def changed(self) -> Self:
        """Return the allowed ones that their server has altered since, and nobody has approved."""
        return self.filter(is_allowed=True).exclude(approved_digest=F("tool__digest"))

    def allow(self) -> int:
        """Allow these tools as they are now."""
        now = Tool.objects.filter(pk=OuterRef("tool_id")).values("digest")
        return self.update(is_allowed=True, approved_digest=Subquery(now), approved_definition="")

    def refuse(self) -> int:
        return self.update(is_allowed=False, approved_digest="", approved_definition="")


class ToolkitTool(models.Model):
    """A tool's name in a toolkit, and whether it is allowed; the one map that listing and calling read."""

    MET_BY: Sequence[str] = ("approved_definition", "is_marked_read_only")

    toolkit = models.ForeignKey("Toolkit", on_delete=models.CASCADE, related_name="entries")
    tool = models.ForeignKey(Tool, on_delete=models.CASCADE, related_name="entries")
    exposed_name = models.CharField(max_length=200)
    is_allowed = models.BooleanField(default=False)
    is_new = models.BooleanField(
        default=False, help_text=_("Appeared after the server was added; nobody has decided yet.")
    )
    is_marked_read_only = models.BooleanField(
        _("only reads"),
        null=True,
        blank=True,
        default=None,
        help_text=_("As somebody decided here, whatever the server claims."),
    )
    title_override = models.CharField(max_length=MAX_TITLE, blank=True)
    description_override = models.TextField(blank=True, validators=[MaxLengthValidator(MAX_DESCRIPTION)])
    approved_digest = models.CharField(
        max_length=64,
        blank=True,
        editable=False,
        help_text=_("Of the definition that was allowed; empty where none is."),
    )
    approved_definition = models.TextField(
        blank=True, editable=False, help_text=_("What was allowed, as long as the server lists something else.")
    )

    objects = ToolkitToolQuerySet.as_manager()

    class Meta:
        ordering = ["tool_id"]
        constraints = [
            models.UniqueConstraint(fields=["toolkit", "exposed_name"], name="exposed_name_once_per_toolkit"),
            models.UniqueConstraint(fields=["toolkit", "tool"], name="tool_once_per_toolkit"),
        ]

    def __str__(self) -> str:
        return self.exposed_name

    @property
    def title(self) -> str:
        return self.title_override or self.tool.title

    @property
    def description(self) -> str:
        return self.description_override or self.tool.description

    @property
    def is_reworded(self) -> bool:
        return bool(self.title_override or self.description_override)

    @property
    def has_changed(self) -> bool:
        return self.is_allowed and self.approved_digest != self.tool.digest

    @property
    def is_held_back(self) -> bool:
        return self.has_changed and self.toolkit.holds_changed_tools

    @property
    def lacks_mark(self) -> bool:
        """Return True if the toolkit offers only what is marked as only reading, and this is allowed without."""
        return self.is_allowed and self.toolkit.is_read_only and not self.is_marked_read_only

    @property
    def is_visible(self) -> bool:
        return self.is_allowed and not self.is_held_back and not self.lacks_mark

    @property
    def proposes_read_only(self) -> bool:
        """Return the mark; where nobody has decided yet, what the server claims."""
        return self.tool.is_read_only if self.is_marked_read_only is None else self.is_marked_read_only

    @property
    def listing(self) -> bytes:
        """Return the entry of tools/list that clients get."""
        return definitions.listed_as(
            self.tool.definition, self.exposed_name, title=self.title_override, description=self.description_override
        )

    @property
    def differences(self) -> list[definitions.Difference]:
        """Return what is not as it was approved; empty where nothing is kept to compare with."""
        before = self.approved_definition
        return definitions.differences(before, self.tool.definition) if before else []

    def meet(self, altered: Altered) -> "Met":
        """Take note, without saving, that the tool is no longer what it was before."""
        changed = definitions.changed_members(altered.before, self.tool.definition)
        if not self.has_changed:
            self.approved_definition = ""  # the server went back to what was approved
        elif self.approved_digest == altered.digest_before:
            self.approved_definition = altered.before
        has_lost_its_mark = bool(self.is_marked_read_only and definitions.DECIDES_EFFECT & set(changed))
        if has_lost_its_mark:
            self.is_marked_read_only = False
        return Met(self, changed, has_lost_its_mark)


@dataclass(frozen=True, slots=True)
class Met:
    """What a tool's alteration means in a toolkit."""

    entry: ToolkitTool
    changed: list[str]
    has_lost_its_mark: bool

    @property
    def concerns_clients(self) -> bool:
        return self.entry.has_changed or self.has_lost_its_mark
