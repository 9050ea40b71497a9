import itertools
import json
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models, transaction
from django.db.models import Count, Exists, F, OuterRef, Q
from django.utils.text import slugify
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles.events import Action, Actor, Event
from profiles.models.accounts import Account
from profiles.models.signing_in import SignsIn
from profiles.models.tools import Tool
from profiles.signals import authority_changed, tools_listed

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager

# Part of every exposed tool name, so short and safe for every model (reference: tool names up to 48 characters).
SLUG = RegexValidator(r"^[a-z][a-z0-9-]{0,15}$", _("Up to 16 lower-case letters, digits and hyphens, a letter first."))

MAX_ARGUMENTS = 50
MAX_ARGUMENT = 1000  # characters

MAX_TIMEOUT = 600  # seconds
MAX_CONCURRENT = 1000  # calls at a time
MAX_INSTRUCTIONS = 20_000  # characters
MAX_CAPABILITIES = 20_000  # characters of JSON


class ServerQuerySet(models.QuerySet["Server"]):
    def living(self) -> Self:
        return self.filter(removed_at=None)

    def visible_in(self, account: Account | None) -> Self:
        """Return the catalog of the instance and the account's own servers; for no account, the catalog."""
        return self.living().filter(Q(account=None) | Q(account=account))

    def matching(self, text: str) -> Self:
        """Return the servers whose name, prefix, description or a tool's name contains the text."""
        names = Tool.objects.filter(server=OuterRef("pk"), name__icontains=text)
        words = Q(name__icontains=text) | Q(slug__icontains=text) | Q(description__icontains=text)
        return self.filter(words | Exists(names)) if text else self

    def with_counts(self) -> Self:
        return self.annotate(tool_count=Count("tools", filter=Q(tools__last_seen_at=F("listed_at"))))


class ServerManager(models.Manager.from_queryset(ServerQuerySet)):  # type: ignore[misc]
    def add(
        self,
        account: Account | None,
        *,
        name: str,
        tools: Sequence[bytes],
        by: Actor,
        now: datetime,
        url: str = "",
        command: list[str] | None = None,
        slug: str = "",
        description: str = "",
    ) -> "Server":
        """Add a server with what it lists now: streamable HTTP by its url, or stdio by its command.

        Raise ValidationError, by field, for what cannot be.
        """
        refuse_bad_command(command) if command else refuse_bad_address(url)
        taken = set(self.visible_in(account).values_list("slug", flat=True))
        if slug in taken:
            raise ValidationError(
                {"slug": gettext("Another server has the prefix “%(slug)s” already. Choose another.") % {"slug": slug}}
            )
        server = Server(
            account=account, url=url, command=command or [], name=name, slug=slug or free_slug(name, taken),
            description=description, transport=Server.Transport.STDIO if command else Server.Transport.HTTP,
        )  # fmt: skip
        with transaction.atomic():
            server.full_clean(exclude=["url"])  # Django refuses hosts of one word, which container networks have
            server.save(force_insert=True)
            Event.record(
                Action.SERVER_ADDED,
                by=by,
                now=now,
                account=account,
                subject=server,
                after={"address": server.address, "tools": len(tools)},
            )
            server.remember_tools(tools, now=now)
        return server


def refuse_bad_address(url: str) -> None:
    """Raise ValidationError for an address that is not plain http or https, or that carries a password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    is_plain = url.isprintable() and " " not in url
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not is_plain:
        raise ValidationError({"url": gettext("Write the whole address, as in https://example.com/mcp.")})
    if parts.username is not None or parts.password is not None:
        raise ValidationError(
            {"url": gettext("Leave user name and password out of the address: whoever sees the server would see them.")}
        )
    if parts.fragment or url.endswith("#"):
        raise ValidationError({"url": gettext("Leave out what follows the “#”: it is never sent to a server.")})


def refuse_bad_command(command: Any) -> None:
    """Raise ValidationError for what is not a list of texts that a program can be started with."""
    example = gettext('Write a JSON list of texts, the program first, as in ["uvx", "mcp-server-time"].')
    if not isinstance(command, list) or not command:
        raise ValidationError({"command": gettext("This is not a list. %(example)s") % {"example": example}})
    if not all(isinstance(part, str) for part in command):
        raise ValidationError(
            {
                "command": gettext("Put every part between double quotes, numbers too. %(example)s")
                % {"example": example}
            }
        )
    if not command[0].strip() or command[0] != command[0].strip():
        raise ValidationError(
            {
                "command": gettext("The first text must be the program, without spaces around it. %(example)s")
                % {"example": example}
            }
        )
    if any("\0" in part or len(part) > MAX_ARGUMENT for part in command) or len(command) > MAX_ARGUMENTS:
        raise ValidationError(
            {
                "command": gettext("At most %(number)s parts of %(length)s characters, none with a null character.")
                % {"number": MAX_ARGUMENTS, "length": MAX_ARGUMENT}
            }
        )


def free_slug(name: str, taken: set[str]) -> str:
    """Return a prefix made of the name that no other server has."""
    base = slugify(name).replace("_", "-").lstrip("-0123456789")[:16].strip("-") or "server"
    numbered = (f"{base[: 15 - len(str(number))]}-{number}" for number in itertools.count(2))
    return next(slug for slug in itertools.chain([base], numbered) if slug not in taken)


class Server(SignsIn):
    """An upstream MCP server: of the instance's catalog (no account), or of one account."""

    class Transport(models.TextChoices):
        HTTP = "http", _("streamable HTTP")
        SSE = "sse", _("HTTP with SSE, of 2024")
        STDIO = "stdio", _("stdio")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, null=True, blank=True, related_name="servers")
    slug = models.CharField(max_length=16, validators=[SLUG])
    name = models.CharField(max_length=80)
    description = models.TextField(blank=True, max_length=500)
    transport = models.CharField(max_length=8, choices=Transport.choices)
    url = models.URLField(max_length=500, blank=True, help_text=_("Of a streamable HTTP server."))
    command = models.JSONField(
        default=list, blank=True, help_text=_("Of a stdio server: program and arguments; staff only.")
    )
    timeout_s = models.PositiveSmallIntegerField(
        _("timeout"), default=120, validators=[MinValueValidator(1), MaxValueValidator(MAX_TIMEOUT)],
        help_text=_("Seconds after which a call that it has not answered is given up."),
    )  # fmt: skip
    max_concurrent = models.PositiveSmallIntegerField(
        _("calls at a time"), default=512, validators=[MinValueValidator(1), MaxValueValidator(MAX_CONCURRENT)],
        help_text=_("How many calls of one hub process it has to answer at once; more wait their turn."),
    )  # fmt: skip
    capabilities = models.JSONField(default=dict, blank=True, help_text=_("What it declared last."))
    instructions = models.TextField(blank=True, help_text=_("What it told clients last, of how to use it."))
    listed_at = models.DateTimeField(null=True, blank=True, help_text=_("When its tools were last listed."))
    failed_at = models.DateTimeField(null=True, blank=True, help_text=_("Since when listing its tools fails."))
    failure = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[ServerManager] = ServerManager()
    tools: "RelatedManager[Tool]"

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "slug"], condition=Q(removed_at=None), name="server_slug_once_per_account"
            ),
            models.UniqueConstraint(
                fields=["slug"], condition=Q(removed_at=None, account=None), name="server_slug_once_in_catalog"
            ),
            models.CheckConstraint(
                condition=(Q(transport__in=["http", "sse"]) & ~Q(url=""))
                | (Q(transport="stdio", url="") & ~Q(command=[])),
                name="server_has_the_address_its_transport_needs",
            ),
            models.CheckConstraint(
                condition=~Q(transport="stdio") | Q(account=None), name="server_stdio_only_in_the_catalog"
            ),
            models.CheckConstraint(
                condition=Q(timeout_s__gte=1, timeout_s__lte=MAX_TIMEOUT), name="server_timeout_in_bounds"
            ),
            models.CheckConstraint(
                condition=Q(max_concurrent__gte=1, max_concurrent__lte=MAX_CONCURRENT),
                name="server_max_concurrent_in_bounds",
            ),
            models.CheckConstraint(
                condition=~Q(transport="stdio") | Q(authentication="none"), name="server_stdio_is_not_signed_in_at"
            ),
            models.CheckConstraint(
                condition=~Q(authentication="header") | ~Q(header_name=""), name="server_header_has_a_name"
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.name

    @property
    def address(self) -> str:
        return " ".join(self.command) if self.transport == self.Transport.STDIO else self.url

    def remember_tools(
        self,
        tools: Sequence[bytes],
        *,
        now: datetime,
        capabilities: dict[str, Any] | None = None,
        instructions: str | None = None,
    ) -> bool:
        """Store what the server lists now, and says of itself where that is given; return True if it is news.

        A tool that is new gets its place in every toolkit of the server, off unless the toolkit wants new ones. One
        that is no longer listed is offered nowhere, and finds its place again when it comes back.
        """
        with transaction.atomic():
            stored = Server.objects.select_for_update().get(pk=self.pk)
            said = stored._news_of_itself(capabilities, instructions)
            is_other, altered = Tool.objects.meet(stored, tools, now=now)
            state = {"listed_at": now, "failed_at": None, "failure": "", **said}
            Server.objects.filter(pk=self.pk).update(**state)
            has_changed = is_other or bool(said)
            if has_changed:
                tools_listed.send(Server, server=self, altered=altered, now=now)
                authority_changed.send(Server, scope="server", subject=str(self.pk))
        self.__dict__.update(state)
        return has_changed

    def _news_of_itself(self, capabilities: dict[str, Any] | None, instructions: str | None) -> dict[str, Any]:
        """Return what differs from what is stored, in a form that every store takes."""
        said: dict[str, Any] = {}
        if instructions is not None:
            said["instructions"] = instructions.replace("\0", "\ufffd")[:MAX_INSTRUCTIONS]
        if capabilities is not None:
            text = json.dumps(capabilities)
            said["capabilities"] = capabilities if len(text) < MAX_CAPABILITIES and "\\u0000" not in text else {}
        return {name: value for name, value in said.items() if value != getattr(self, name)}

    def change(self, *, tools: Sequence[bytes] | None, by: Actor, now: datetime, **changes: Any) -> bool:
        """Change fields, and store what the server lists at a new address; return False if nothing changed."""
        with transaction.atomic():
            stored = Server.objects.select_for_update().get(pk=self.pk)
            before = {name: getattr(stored, name) for name, value in changes.items() if getattr(stored, name) != value}
            if not before:
                return False
            after = {name: changes[name] for name in before}
            Server.objects.filter(pk=self.pk).update(**after)
            Event.record(
                Action.SERVER_CHANGED, by=by, now=now, account=self.account, subject=self, before=before, after=after
            )
            if tools is not None:
                self.remember_tools(tools, now=now)
            authority_changed.send(Server, scope="server", subject=str(self.pk))
        return True

    def remember_failure(self, reason: str, *, now: datetime) -> None:
        """Note that listing failed; the time of the first failure in a row stays."""
        self.failed_at, self.failure = self.failed_at or now, reason[:300]
        Server.objects.filter(pk=self.pk).update(failed_at=self.failed_at, failure=self.failure)

    def remove(self, *, by: Actor, now: datetime) -> bool:
        """Take the server out of every toolkit; its tools stop at the next call."""
        with transaction.atomic():
            if not Server.objects.filter(pk=self.pk, removed_at=None).update(removed_at=now):
                return False
            self.removed_at = now
            self.authorizations.end(by=by, now=now, reason="the server was removed")
            Event.record(Action.SERVER_REMOVED, by=by, now=now, account=self.account, subject=self)
            authority_changed.send(Server, scope="server", subject=str(self.pk))
        return True
