import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Lower
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles import names
from profiles.events import Action, Actor, Event
from profiles.models.accounts import Account
from profiles.models.aliases import FormerAlias
from profiles.models.archiving import Archivable
from profiles.models.entries import Choice, ToolkitServer, ToolkitTool
from profiles.models.servers import Server
from profiles.models.toolkits_found import ToolkitQuerySet
from profiles.models.tools import Altered, Tool
from profiles.signals import authority_changed, toolkit_deleted, tools_listed

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager

ALIAS = RegexValidator(
    r"^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$",
    _("Up to 40 lower-case letters, digits and hyphens, as in “team-support”."),
)

MAX_NAMED = 100  # tools that one event names


class ToolkitManager(models.Manager.from_queryset(ToolkitQuerySet)):  # type: ignore[misc]
    def create_toolkit(
        self,
        account: Account,
        *,
        alias: str,
        name: str,
        by: Actor,
        now: datetime,
        description: str = "",
        is_default: bool = False,
        naming: "Toolkit.Naming | None" = None,
    ) -> "Toolkit":
        """Create a toolkit; raise ValidationError if the alias is, or was, another living toolkit's."""
        with transaction.atomic():
            toolkit = Toolkit(
                account=account, alias=alias, name=name, description=description, is_default=is_default,
                naming=naming or Toolkit.Naming.PREFIXED,
            )  # fmt: skip
            toolkit.full_clean(validate_constraints=True)
            toolkit.save()
            Event.record(
                Action.TOOLKIT_CREATED, by=by, now=now, account=account, subject=toolkit, after={"alias": alias}
            )
        return toolkit

    def create_default(self, account: Account, *, by: Actor, now: datetime) -> "Toolkit":
        """Create the toolkit that every account has and keeps."""
        return self.create_toolkit(
            account,
            alias="default",
            name="Default",
            is_default=True,
            by=by,
            now=now,
            description="For trying things out.",
        )

    def named(self, account: Account, alias: str) -> "Toolkit | None":
        """Return the living toolkit with this alias, current or former."""
        living = self.living().filter(account=account)
        found: Toolkit | None = living.filter(alias=alias).first() or living.filter(former_aliases__alias=alias).first()
        return found


class Toolkit(Archivable):
    """A group of servers, and the tools allowed from each; on the wire it is called profile."""

    class Naming(models.TextChoices):
        PREFIXED = "prefixed", "server__tool"
        PLAIN = "plain", _("as the server names it")

    class Kept(models.TextChoices):
        NOTHING = "nothing", _("Nothing")
        DIGEST = "digest", _("A digest, by which equal ones can be told")
        REDACTED = "redacted", _("Their text, with secrets taken out")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="toolkits")
    alias = models.CharField(max_length=40, validators=[ALIAS], help_text=_("Its name in the MCP URL."))
    name = models.CharField(max_length=80)
    description = models.TextField(blank=True, max_length=500)
    is_default = models.BooleanField(default=False, editable=False)
    naming = models.CharField(max_length=10, choices=Naming.choices, default=Naming.PREFIXED)
    includes_new_tools = models.BooleanField(_("include new tools"), default=False)
    offers_status_tool = models.BooleanField(_("offer the tool nexus_status"), default=True)
    is_read_only = models.BooleanField(
        _("read-only"), default=False, help_text=_("Offers only the tools that are marked here as only reading.")
    )
    holds_changed_tools = models.BooleanField(
        _("hold changed tools back"), default=False,
        help_text=_("A tool that its server altered is not offered until somebody has approved it."),
    )  # fmt: skip
    kept_of_calls = models.CharField(
        max_length=8, choices=Kept.choices, default=Kept.NOTHING, db_default=Kept.NOTHING,
        help_text=_("What Activity keeps of a call's arguments and of its result."),
    )  # fmt: skip
    servers = models.ManyToManyField(Server, through="ToolkitServer", related_name="toolkits")
    assigned_members = models.ManyToManyField(
        "profiles.Member", blank=True, related_name="assigned_toolkits", help_text=_("The end users who may use it.")
    )
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    PAUSED, RESUMED, SCOPE = Action.TOOLKIT_PAUSED, Action.TOOLKIT_RESUMED, "toolkit"
    ARCHIVED, RESTORED = Action.TOOLKIT_ARCHIVED, Action.TOOLKIT_RESTORED

    objects: ClassVar[ToolkitManager] = ToolkitManager()
    entries: "RelatedManager[ToolkitTool]"
    former_aliases: "RelatedManager[FormerAlias]"
    # Only after with_counts():
    allowed_count: int
    new_count: int
    changed_count: int
    server_count: int
    failing_count: int

    class Meta:
        ordering = ["-is_default", Lower("name")]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "alias"], condition=Q(deleted_at=None), name="toolkit_alias_once_per_account",
                violation_error_message=_("Another toolkit of this account has this alias."),
            ),
            models.UniqueConstraint(fields=["account"], condition=Q(is_default=True), name="toolkit_one_default"),
            models.CheckConstraint(
                condition=Q(is_default=False) | Q(deleted_at=None), name="toolkit_default_stays"
            ),
            models.CheckConstraint(
                condition=Q(is_default=False) | Q(archived_at=None), name="toolkit_default_in_use"
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.name

    def belongs_to(self) -> Account:
        return self.account

    @property
    def mcp_url(self) -> str:
        return f"{settings.NEXUS_BASE_URL}/hub/mcp?{urlencode({'accountId': self.account_id, 'profile': self.alias})}"

    @property
    def install_path(self) -> str:
        return f"{reverse('install')}?{urlencode({'profile': self.alias})}"

    def clean(self) -> None:
        taken = FormerAlias.objects.filter(
            account_id=self.account_id, alias=self.alias, toolkit__deleted_at=None
        ).exclude(toolkit_id=self.pk)
        if former := taken.select_related("toolkit").first():
            taken_by = {"alias": self.alias, "toolkit": former.toolkit}
            refusal = gettext("“%(alias)s” still leads to the toolkit “%(toolkit)s”. Choose another alias.") % taken_by
            raise ValidationError({"alias": refusal})

    def allowed_entries(self) -> "models.QuerySet[ToolkitTool]":
        """Return the tools that a client of this toolkit sees, and may call."""
        return ToolkitTool.objects.visible().filter(toolkit=self)

    def change(self, *, by: Actor, now: datetime, **changes: Any) -> bool:
        """Change fields; an old alias keeps leading here. Raise ValidationError for what cannot be."""
        before = {field: getattr(self, field) for field in changes if getattr(self, field) != changes[field]}
        if not before:
            return False
        for field in before:
            setattr(self, field, changes[field])
        with transaction.atomic():
            self.full_clean(validate_constraints=True)
            self.save(update_fields=list(before))
            if "alias" in before:
                FormerAlias.objects.filter(account=self.account, alias__in=[self.alias, before["alias"]]).delete()
                self.former_aliases.create(account=self.account, alias=before["alias"])
            self._note_change(by, now, before, {field: changes[field] for field in before})
        return True

    def add_server(
        self,
        server: Server,
        *,
        allowed: Iterable[str],
        by: Actor,
        now: datetime,
        offers_resources: bool = False,
        offers_prompts: bool = False,
    ) -> None:
        """Add a server with the tools of these upstream names allowed; the others are there, and off.

        Raise ValidationError if the toolkit shows names as they are, and two tools would have the same.
        """
        offers = {"offers_resources": offers_resources, "offers_prompts": offers_prompts}
        allowed_names = set(allowed)
        self._refuse_collision(server)
        with transaction.atomic():
            Server.objects.select_for_update().get(pk=server.pk)
            ToolkitServer.objects.get_or_create(toolkit=self, server=server, defaults={"added_at": now, **offers})
            self.take_in_tools(server, now=now)
            entries = ToolkitTool.objects.filter(toolkit=self, tool__server=server)
            entries.update(is_new=False)
            entries.filter(tool__name__in=allowed_names, is_allowed=False).allow()
            self._note_change(by, now, {}, {"server": server.slug, "allowed": sorted(allowed_names), **offers})

    def _refuse_collision(self, server: Server) -> None:
        if self.naming != self.Naming.PLAIN:
            return
        names_here = self.entries.exclude(tool__server=server).values("exposed_name")
        if twice := server.tools.filter(name__in=names_here).values_list("name", flat=True).first():
            refusal = gettext(
                "“%(tool)s” is the name of another tool here already. Show names with the server's prefix instead, "
                "or put this server into another toolkit."
            )
            raise ValidationError(refusal % {"tool": twice})

    def remove_server(self, server: Server, *, by: Actor, now: datetime) -> bool:
        with transaction.atomic():
            Server.objects.select_for_update().get(pk=server.pk)
            if not ToolkitServer.objects.filter(toolkit=self, server=server).delete()[0]:
                return False
            self.entries.filter(tool__server=server).delete()
            self._note_change(by, now, {"server": server.slug}, {})
        return True

    def take_in_tools(self, server: Server, *, now: datetime) -> int:
        """Give every tool of the server a name here; those that appeared later are off, unless new ones are wanted."""
        taken = {*names.RESERVED, *self.entries.values_list("exposed_name", flat=True)}
        entries = []
        for tool in server.tools.exclude(entries__toolkit=self):
            exposed = self._exposed_name(server, tool, taken)
            taken.add(exposed)
            entries.append(ToolkitTool(toolkit=self, tool=tool, exposed_name=exposed, is_new=True))
        self.entries.bulk_create(entries)
        if self.includes_new_tools:
            ToolkitTool.objects.filter(pk__in=[entry.pk for entry in entries]).allow()
        return len(entries)

    def _exposed_name(self, server: Server, tool: Tool, taken: set[str]) -> str:
        if self.naming == self.Naming.PLAIN and tool.name not in taken:
            return tool.name
        return names.distinct(names.prefixed(server.slug, tool.name), taken)

    def choose(self, server: Server, choice: Choice, *, by: Actor, now: datetime) -> bool:
        """Allow exactly what is chosen of the server; return False if nothing changed."""
        with transaction.atomic():
            Server.objects.select_for_update().get(pk=server.pk)
            place = ToolkitServer.objects.get(toolkit=self, server=server)
            before = place.chosen()
            place.choose(choice)
            after = place.chosen()
            if after == before:
                return False
            self._note_change(by, now, {"server": server.slug, **before}, {"server": server.slug, **after})
        return True

    def approve(self, seen: dict[int, str], *, by: Actor, now: datetime) -> list[str]:
        """Approve tools that were altered, entries by their ids, each as it was seen (its digest); return their names.

        What was altered once more since it was seen stays unapproved.
        """
        with transaction.atomic():
            list(Server.objects.filter(places__toolkit=self).order_by("pk").select_for_update(of=("self",)))
            changed = ToolkitTool.objects.changed().filter(toolkit=self, pk__in=seen).select_related("tool")
            approved = [entry for entry in changed if seen[entry.pk] == entry.tool.digest]
            if approved:
                ToolkitTool.objects.filter(pk__in=[entry.pk for entry in approved]).allow()
                self._note_change(by, now, {}, {"approved": [entry.exposed_name for entry in approved[:MAX_NAMED]]})
        return [entry.exposed_name for entry in approved]

    def describe(self, entry: ToolkitTool, *, title: str, description: str, by: Actor, now: datetime) -> bool:
        """Say to clients something else of a tool than its server does; empty is what the server says.

        Raise ValidationError for words that are too many.
        """
        wanted = {"title_override": title, "description_override": description}
        before = {name: getattr(entry, name) for name, value in wanted.items() if getattr(entry, name) != value}
        if not before:
            return False
        for name in before:
            setattr(entry, name, wanted[name])
        with transaction.atomic():
            entry.clean_fields()
            entry.save(update_fields=list(before))
            shown = {"tool": entry.exposed_name}
            self._note_change(by, now, shown | before, shown | {name: wanted[name] for name in before})
        return True

    def meet_alterations(self, server: Server, altered: Sequence[Altered], *, now: datetime) -> None:
        """Keep what was approved of tools that their server altered, and write down what that means here."""
        by_tool = {each.tool.pk: each for each in altered if each.has_another_meaning}
        met = [
            entry.meet(by_tool[entry.tool_id]) for entry in self.entries.filter(tool__in=by_tool).select_related("tool")
        ]
        ToolkitTool.objects.bulk_update([each.entry for each in met], ToolkitTool.MET_BY, batch_size=200)
        if news := [each for each in met if each.concerns_clients]:
            Event.record(
                Action.TOOLS_ALTERED, by=Actor.system(f"server {server.slug}"), now=now, account=self.account,
                subject=self,
                after={
                    "server": server.slug,
                    "tools": {each.entry.exposed_name: each.changed for each in news[:MAX_NAMED]},
                    "number": len(news),
                    "marks_cleared": [e.entry.exposed_name for e in news[:MAX_NAMED] if e.has_lost_its_mark],
                    "held_back": self.holds_changed_tools,
                },
            )  # fmt: skip

    def delete_for_good(self, *, by: Actor, now: datetime) -> bool:
        """Delete the toolkit; its tokens end with it. The default toolkit stays."""
        with transaction.atomic():
            deleted = Toolkit.objects.filter(pk=self.pk, deleted_at=None, is_default=False).update(deleted_at=now)
            if not deleted:
                return False
            self.deleted_at = now
            Event.record(Action.TOOLKIT_DELETED, by=by, now=now, account=self.account, subject=self)
            toolkit_deleted.send(Toolkit, toolkit=self, by=by, now=now)
            authority_changed.send(Toolkit, scope="toolkit", subject=str(self.pk))
        return True

    def _note_change(self, by: Actor, now: datetime, before: dict[str, Any], after: dict[str, Any]) -> None:
        Event.record(
            Action.TOOLKIT_CHANGED, by=by, now=now, account=self.account, subject=self, before=before, after=after
        )
        authority_changed.send(Toolkit, scope="toolkit", subject=str(self.pk))


@receiver(post_save, sender=Account)
def give_it_a_default_toolkit(instance: Account, created: bool, **kwargs: Any) -> None:
    if created:
        Toolkit.objects.create_default(instance, by=Actor.system("account opened"), now=timezone.now())


@receiver(tools_listed)
def take_in_new_tools(server: Server, altered: Sequence[Altered], now: datetime, **kwargs: Any) -> None:
    for toolkit in Toolkit.objects.living().filter(servers=server).select_related("account"):
        toolkit.take_in_tools(server, now=now)
        toolkit.meet_alterations(server, altered, now=now)
