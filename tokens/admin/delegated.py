from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from profiles.admin_pages import ReadOnlyAdmin, badge, every_field
from profiles.events import Actor
from profiles.models import Account
from profiles.operator import is_uuid
from tokens.models import DelegatedToken, Digest, JobRun, Reminder, jobs

AT_ONCE = 500  # tokens, in one revocation
ACCOUNTS_SHOWN = 20
State = DelegatedToken.State
KINDS = {State.ACTIVE: "ok", State.ENDING: "warn", State.PAUSED: "warn", State.REVOKED: "bad"}


class RevokeForm(forms.Form):
    reason = forms.ChoiceField(label="Reason", choices=[("", "Choose a reason"), *DelegatedToken.Reason.choices])
    note = forms.CharField(
        label="Note", required=False, max_length=300, widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="The owner reads it in the mail, and it stays in the events.",
    )  # fmt: skip


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("living", "Living"), ("ending", "Ends soon"), ("unused", "Never used"), ("expired", "Expired"),
            ("revoked", "Revoked"),
        ]  # fmt: skip

    def queryset(self, request: HttpRequest, queryset: QuerySet[DelegatedToken]) -> QuerySet[DelegatedToken]:
        now, tokens = timezone.now(), DelegatedToken.objects.all()
        chosen = {
            "living": lambda: tokens.living(now),
            "ending": lambda: tokens.ending_soon(now),
            "unused": lambda: tokens.living(now).filter(last_used_at=None),
            "expired": lambda: tokens.in_state(State.EXPIRED, now),
            "revoked": lambda: tokens.in_state(State.REVOKED, now),
        }.get(self.value() or "")
        return queryset & chosen().order_by() if chosen else queryset


class AccountFilter(admin.SimpleListFilter):
    """The first accounts that have tokens; any other by its id in the address."""

    title = "account"
    parameter_name = "account"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        having = Account.objects.filter(pk__in=DelegatedToken.objects.order_by().values("account"))
        return [(str(pk), name) for pk, name in having.order_by("name").values_list("pk", "name")[:ACCOUNTS_SHOWN]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[DelegatedToken]) -> QuerySet[DelegatedToken]:
        value = self.value()
        return queryset.filter(account_id=value) if value and is_uuid(value) else queryset


@admin.register(DelegatedToken)
class DelegatedTokenAdmin(ReadOnlyAdmin):
    list_display = (
        "name",
        "standing",
        "masked",
        "owner",
        "alias",
        "expires_at",
        "last_used_at",
        "account",
        "issued_at",
    )
    list_select_related = ("owner", "account", "toolkit")
    list_filter = (StateFilter, AccountFilter, "revoke_reason")
    search_fields = ("owner__email", "name", "=public_id", "=last_four", "toolkit__alias")
    search_help_text = "By owner's address, service, public id, last four characters or toolkit alias."
    actions = ("revoke",)
    fields = (
        "name", "masked", "standing", "owner", "account", "toolkit", "stage", "family", "issued_at", "activated_at",
        "expires_at", "retires_at", "last_used_at", "revoked_at", "revoke_reason", "revoke_note",
    )  # fmt: skip

    @admin.display(description="token", ordering="public_id")
    def masked(self, token: DelegatedToken) -> SafeString:
        return format_html('<code class="nowrap">{}</code>', token.masked)

    @admin.display(description="toolkit", ordering="toolkit__alias")
    def alias(self, token: DelegatedToken) -> str:
        return token.toolkit.alias

    @admin.display(description="state")
    def standing(self, token: DelegatedToken) -> SafeString:
        state = token.state(timezone.now())
        return badge(KINDS.get(state, ""), state.label)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        """Take a token as it is shown, nxs_<public id>_…, too."""
        head, _, rest = search_term.strip().partition("_")
        term = rest.partition("_")[0] if head == "nxs" else search_term
        return super().get_search_results(request, queryset, term)

    @admin.action(description="Revoke…", permissions=["view"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[DelegatedToken]) -> HttpResponse | None:
        """Ask why, and say whom it hits; then end every token that has not ended."""
        is_answer = "confirmed" in request.POST
        if is_answer:  # what was shown is what ends, even where the list's filter no longer finds it
            queryset = DelegatedToken.objects.filter(pk__in=request.POST.getlist(ACTION_CHECKBOX_NAME))
        tokens = list(queryset.select_related("owner", "account", "toolkit")[: AT_ONCE + 1])
        if len(tokens) > AT_ONCE:
            text = f"At most {AT_ONCE} tokens end at once. Narrow the list. Nothing was revoked."
            self.message_user(request, text, "error")
            return None
        form = RevokeForm(request.POST if is_answer else None)
        if not form.is_valid():
            return self._ask(request, tokens, form)
        self._end(request, tokens, form.cleaned_data, timezone.now())
        return None

    def _ask(self, request: HttpRequest, tokens: list[DelegatedToken], form: RevokeForm) -> HttpResponse:
        now = timezone.now()
        running = [token for token in tokens if token.state(now) not in (State.REVOKED, State.EXPIRED)]
        owners = {token.owner.email for token in running}
        context = {
            **self.admin_site.each_context(request),
            "title": "Revoke tokens",
            "opts": self.opts,
            "form": form,
            "rows": [(token, badge(KINDS.get(token.state(now), ""), token.state(now).label)) for token in tokens],
            "running": running,
            "over": len(tokens) - len(running),
            "told": sorted(owners - {str(request.user)}),
            "own": str(request.user) in owners,
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        status = 422 if form.errors else 200
        return render(request, "admin/tokens/delegatedtoken/revoke.html", context, status=status)

    @transaction.atomic
    def _end(self, request: HttpRequest, tokens: list[DelegatedToken], given: dict[str, Any], now: datetime) -> None:
        """End all or none; each hub is waited for once, when all have ended."""
        by = Actor.from_request(request)
        ended = sum(token.revoke(by=by, reason=given["reason"], note=given["note"], now=now) for token in tokens)
        over = len(tokens) - ended
        text = f"{counted(ended)} ended: refused from now on, everywhere." if ended else "Nothing was revoked."
        if over:
            text += f" {counted(over)} had already ended."
        self.message_user(request, text, "success" if ended else "warning")


def counted(number: int) -> str:
    return "1 token" if number == 1 else f"{number} tokens"


@admin.register(Reminder)
class ReminderAdmin(ReadOnlyAdmin):
    list_display = ("token", "stage", "state", "claimed_at", "handed_over_at")
    list_select_related = ("token",)
    list_filter = ("state",)
    search_fields = ("token__owner__email", "token__name", "=token__public_id")
    ordering = ("-id",)
    fields = every_field(Reminder, but=("id",))


@admin.register(Digest)
class DigestAdmin(ReadOnlyAdmin):
    list_display = ("owner", "state", "made_at", "attempts", "next_try_at", "settled_at")
    list_select_related = ("owner",)
    list_filter = ("state",)
    search_fields = ("owner__email",)
    ordering = ("-id",)
    fields = every_field(Digest, but=("id",))


@admin.register(JobRun)
class JobRunAdmin(ReadOnlyAdmin):
    list_display = ("name", "outcome", "result", "started_at", "started_by", "next_run")
    ordering = ("name",)
    fields = every_field(JobRun)

    @admin.display(description="state")
    def outcome(self, job: JobRun) -> SafeString:
        return badge("bad", "Failed") if job.has_failed else badge("ok", "Done")

    @admin.display(description="next run", ordering="next_run_at")
    def next_run(self, job: JobRun) -> str | SafeString:
        """Show when beat runs it next; a moment long past means that beat or the worker stands still."""
        if job.next_run_at and job.next_run_at + jobs.OVERDUE < timezone.now():
            return badge("bad", f"overdue since {timezone.localtime(job.next_run_at):%d %b %H:%M}")
        return f"{timezone.localtime(job.next_run_at):%d %b %Y, %H:%M:%S}" if job.next_run_at else "–"
