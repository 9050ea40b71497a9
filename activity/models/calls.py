import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from django.db import models
from django.db.models import Count, Q, Value
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles.ids import uuid7
from profiles.models import Account, User
from profiles.permissions import Act

FIRST_MODERN = "2026-07-28"
SEARCHED = 10_000  # calls that one search looks through where no index can help


def of_token(text: str) -> Q:
    return Q(token_public_id=text) | Q(token_name__iexact=text)


def containing(text: str) -> Q:
    """Return the calls that say this text where a person would look for it."""
    columns = ("tool", "method", "client_name", "actors", "address", "request_id")
    return Q.create([(f"{column}__icontains", text) for column in columns], Q.OR)


@dataclass(frozen=True, slots=True)
class Page:
    """Calls, and below which one the next page begins.

    A search that stopped before the end says at which moment.
    """

    calls: list["Call"]
    older: uuid.UUID | None
    searched_to: datetime | None = None


class CallQuerySet(models.QuerySet["Call"]):
    def visible_to(self, user: User) -> Self:
        """Return the person's own calls, and all of the accounts whose activity they may see.

        What was done in an account that they have left is no longer theirs to see.
        """
        # Ids, not a subquery: embedded, accounts lie in another database file.
        everything = list(Account.objects.where(user, Act.SEE_ACTIVITY).values_list("pk", flat=True))
        accounts = list(Account.objects.of(user).values_list("pk", flat=True))
        return self.filter(Q(account_id__in=everything) | Q(account_id__in=accounts, owner_id=user.pk))

    def of_account(self, account: Account, user: User) -> Self:
        """Return the calls of the account that the person may see: all, or their own."""
        # Decided here, not by an OR in SQL, which no index puts in order.
        calls = self.filter(account_id=account.pk)
        return calls if account.lets(user, Act.SEE_ACTIVITY) else calls.filter(owner_id=user.pk)

    def newest_first(self) -> Self:
        return self.order_by("-at", "-id")

    def below(self, call: "Call | None") -> Self:
        """Return the calls that come after the given one, newest first."""
        rows = self.newest_first()
        if call is None:
            return rows
        # The first condition is implied, but it is the one by which an index finds the place.
        return rows.filter(Q(at__lte=call.at) & (Q(at__lt=call.at) | Q(id__lt=call.id)))

    def page_before(self, call: "Call | None", size: int) -> list["Call"]:
        """Return the next rows, newest first, below the given one: keyset pagination, never an offset or a count."""
        return list(self.below(call)[:size])

    def search_page(self, wanted: Q, call: "Call | None", size: int) -> "Page":
        """Return the next page of what is wanted; where no index can help, of the next SEARCHED calls only."""
        rows, last = self.below(call), None
        if wanted:
            ends = list(rows.only("id", "at")[SEARCHED - 1 : SEARCHED + 1])
            last = ends[0] if len(ends) == 2 else None
            rows = rows.filter(wanted)
        if last:
            rows = rows.filter(Q(at__gte=last.at) & (Q(at__gt=last.at) | Q(id__gte=last.id)))
        found = list(rows[: size + 1])
        if len(found) > size:
            return Page(found[:size], older=found[size - 1].pk)
        return Page(found, older=last.pk if last else None, searched_to=last.at if last else None)

    def per_hour(self, first: datetime, hours: int) -> list[tuple[int, str, int]]:
        """Return for each hour from the first its number, an outcome, and how many calls had it."""
        # One range of the index per hour: to group all by a cut of the time takes four times as long.
        counted = [self._in_hour(first + timedelta(hours=hour), hour) for hour in range(hours)]
        return list(counted[0].union(*counted[1:], all=True))

    def _in_hour(self, begin: datetime, number: int) -> Any:
        calls = self.filter(at__gte=begin, at__lt=begin + timedelta(hours=1)).annotate(hour=Value(number))
        return calls.values_list("hour", "outcome").annotate(calls=Count("*"))


class Call(models.Model):
    """One request through the hub that carried a real secret, allowed or refused.

    It copies the names it shows, and refers to nothing, so that it still reads well when the token is gone.
    """

    class Outcome(models.TextChoices):
        OK = "ok", _("OK")
        TOOL_ERROR = "tool_error", _("Tool error")  # the tool answered, and said that it failed
        UPSTREAM_ERROR = "upstream_error", _("Server error")  # the server did not answer, or with an error of protocol
        REFUSED = "refused", _("Refused")  # we said no
        FAILED = "failed", _("Failed")  # the request itself was wrong
        OPEN = "open", _("Under way")  # a stream that has begun and not ended
        UNKNOWN = "unknown", _("Unknown")  # its hub process ended before it did

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    at = models.DateTimeField()
    account_id = models.UUIDField()
    owner_id = models.BigIntegerField()
    owner_email = models.CharField(max_length=254)
    toolkit_id = models.UUIDField()
    toolkit_alias = models.CharField(max_length=40)
    token_public_id = models.CharField(max_length=12)
    token_name = models.CharField(max_length=80)
    token_kind = models.CharField(max_length=4, default="nxs", db_default="nxs")
    actors = models.CharField(
        max_length=200, blank=True, db_default="", help_text="The applications that act, the last one first (RFC 8693)."
    )
    application = models.CharField(
        max_length=100, blank=True, db_default="", help_text="The OAuth client that the token was made for, if any."
    )
    client_name = models.CharField(max_length=100, blank=True)
    client_version = models.CharField(max_length=50, blank=True)
    address = models.CharField(max_length=45, blank=True)
    user_agent = models.CharField(max_length=300, blank=True)
    protocol = models.CharField(max_length=10, blank=True)
    method = models.CharField(max_length=60, blank=True)
    server = models.CharField(max_length=16, blank=True)
    tool = models.CharField(max_length=200, blank=True)
    outcome = models.CharField(max_length=16, choices=Outcome.choices)
    reason = models.CharField(max_length=300, blank=True)
    hub_ms = models.FloatField(help_text="Milliseconds in the hub, the server's not counted.")
    upstream_ms = models.FloatField(default=0)
    bytes_in = models.IntegerField(default=0)
    bytes_out = models.IntegerField(default=0)
    request_id = models.CharField(max_length=36)
    arguments = models.TextField(
        blank=True, db_default="", help_text="As the toolkit has it: nothing, digest, redacted."
    )
    result = models.TextField(blank=True, db_default="", help_text="As the arguments.")

    objects = CallQuerySet.as_manager()

    class Meta:
        indexes = [
            # With the outcome, so that calls are counted from the index alone.
            models.Index(fields=["account_id", "-at", "-id", "outcome"], name="call_of_account"),
            models.Index(fields=["owner_id", "account_id", "-at", "-id", "outcome"], name="call_of_owner"),
            models.Index(fields=["token_public_id", "-at", "-id"], name="call_of_token"),
            models.Index(fields=["toolkit_id", "-at", "-id"], name="call_of_toolkit"),
            models.Index(fields=["at"], condition=Q(outcome="open"), name="call_under_way"),
        ]

    def __str__(self) -> str:
        return f"{self.tool or self.method}: {self.outcome}"

    @property
    def subject(self) -> str:
        return self.tool or self.method or gettext("request")

    @property
    def claimed_client(self) -> str:
        """What the client says it is; nobody has checked it."""
        return f"{self.client_name} {self.client_version}".strip() or gettext("not said")

    @property
    def request_element(self) -> str:
        return f"request-{self.pk}"

    @property
    def milliseconds(self) -> float:
        return self.hub_ms + self.upstream_ms

    @property
    def era(self) -> str:
        """The era of its protocol: `modern` has no sessions (2026-07-28 and later), `legacy` has."""
        return ("modern" if self.protocol >= FIRST_MODERN else "legacy") if self.protocol else ""

    @property
    def has_page(self) -> bool:
        """Whether its token is one that the portal shows; an access token's place is its application's."""
        return self.token_kind == "nxs"  # noqa: S105

    @property
    def acts_for_owner(self) -> str:
        """Return who acts, where the name of the token does not say so already."""
        return self.actors if self.actors != self.token_name else ""

    @property
    def masked_token(self) -> str:
        return f"{self.token_kind}_{self.token_public_id}_…"
