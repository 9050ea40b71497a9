"""Revoking many tokens in the Django admin: what it hits, who is told and how, and then all of it or nothing."""

from collections import Counter
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from profiles.access import signed_in
from profiles.admin_pages import StaffAdmin, badge
from profiles.events import Actor
from tokens import emails
from tokens.models import DelegatedToken, revoking
from tokens.shown import KINDS

AT_ONCE = 500  # tokens, in one revocation
TYPED_FROM = 20  # tokens: as many are revoked only by whoever types the number
LATELY = timedelta(hours=1)
NAMED = 5
State = DelegatedToken.State


class RevokeForm(forms.Form):
    reason = forms.ChoiceField(label=_("Reason"), choices=[("", _("Choose a reason")), *DelegatedToken.Reason.choices])
    note = forms.CharField(
        label=_("Note"), required=False, max_length=300, widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text=_("The owner reads it in the mail, and it stays in the events."),
    )  # fmt: skip
    number = forms.CharField(
        label=_("How many"),
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, running: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.running = running
        if running < TYPED_FROM:
            del self.fields["number"]
        else:
            text = gettext("Type %(number)s, the number of tokens that end.")
            self.fields["number"].help_text = text % {"number": running}

    def clean_number(self) -> str:
        number: str = self.cleaned_data["number"].strip()
        if number != str(self.running):
            text = gettext("%(number)s tokens would end. Type that number to go on.")
            raise forms.ValidationError(text % {"number": self.running})
        return number


@dataclass(frozen=True, slots=True)
class Impact:
    """What revoking these tokens hits."""

    tokens: list[DelegatedToken]
    running: list[DelegatedToken]
    lately: list[DelegatedToken]  # used within the hour, the last used first
    came_of_them: int

    @classmethod
    def of(cls, tokens: list[DelegatedToken], now: datetime) -> "Impact":
        running = [token for token in tokens if token.state(now) not in (State.REVOKED, State.EXPIRED)]
        used = [token for token in running if token.last_used_at and token.last_used_at > now - LATELY]
        lately = sorted(used, key=lambda token: token.last_used_at or now, reverse=True)
        return cls(tokens, running, lately, revoking.came_of(running, now))

    @property
    def said(self) -> str:
        """Return as in “2 used in the last hour: n8n, GitHub Actions”."""
        if not self.lately:
            return ngettext(
                "It was not used in the last hour.", "None of them was used in the last hour.", len(self.tokens)
            )
        names = ", ".join(token.name for token in self.lately[:NAMED])
        said = {"number": len(self.lately), "names": names, "more": len(self.lately) - NAMED}
        if len(self.lately) > NAMED:
            return gettext("%(number)s used in the last hour: %(names)s and %(more)s more.") % said
        return gettext("%(number)s used in the last hour: %(names)s.") % said

    @property
    def over(self) -> int:
        return len(self.tokens) - len(self.running)

    @property
    def rows(self) -> list[tuple[DelegatedToken, SafeString]]:
        now = timezone.now()
        return [(each, badge(KINDS[each.state(now)], str(each.state(now).label))) for each in self.tokens]


class RevokesTokens(StaffAdmin):
    """The act Revoke…: asked first, with a reason, then done to all of them or to none."""

    actions = ("revoke",)

    @admin.action(description=_("Revoke…"), permissions=["view"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[DelegatedToken]) -> HttpResponse | None:
        is_answer = "confirmed" in request.POST
        if is_answer:  # what was shown is what ends, even where the list's filter no longer finds it
            queryset = DelegatedToken.objects.filter(pk__in=request.POST.getlist(ACTION_CHECKBOX_NAME))
        tokens = list(queryset.select_related("owner", "account", "toolkit")[: AT_ONCE + 1])
        if len(tokens) > AT_ONCE:
            text = gettext("At most %(number)s tokens end at once. Narrow the list. Nothing was revoked.")
            self.message_user(request, text % {"number": AT_ONCE}, "error")
            return None
        impact = Impact.of(tokens, timezone.now())
        form = RevokeForm(request.POST if is_answer else None, running=len(impact.running))
        if not form.is_valid() or "preview" in request.POST:
            return self._ask_to_revoke(request, impact, form)
        self._end_all(request, impact, form.cleaned_data)
        return None

    def _ask_to_revoke(self, request: HttpRequest, impact: Impact, form: RevokeForm) -> HttpResponse:
        owners = {token.owner.email for token in impact.running}
        by = Actor.from_request(request)
        others = [token for token in impact.running if token.owner_id != signed_in(request).pk]
        context = {
            **self.admin_site.each_context(request), "title": gettext("Revoke tokens"), "opts": self.opts, "form": form,
            "impact": impact, "told": sorted(owners - {str(request.user)}), "own": str(request.user) in owners,
            "message": _preview(others, form, by), "checkbox": ACTION_CHECKBOX_NAME,
        }  # fmt: skip
        status = 422 if form.errors and "preview" not in request.POST else 200
        return render(request, "admin/tokens/delegatedtoken/revoke.html", context, status=status)

    def _end_all(self, request: HttpRequest, impact: Impact, given: dict[str, Any]) -> None:
        by, now = Actor.from_request(request), timezone.now()
        ended = len(revoking.revoke_all(impact.tokens, by=by, reason=given["reason"], note=given["note"], now=now))
        over = len(impact.tokens) - ended
        said = [_ended(ended) if ended else gettext("Nothing was revoked.")] + ([_had_ended(over)] if over else [])
        self.message_user(request, " ".join(said), "success" if ended else "warning")


def _preview(tokens: list[DelegatedToken], form: RevokeForm, by: Actor) -> Any:
    """Return the mail to the owner of the most, with the reason and the note as they stand."""
    if not tokens:
        return None
    owner, _ = Counter(token.owner_id for token in tokens).most_common(1)[0]
    of_owner = [copy(token) for token in tokens if token.owner_id == owner]
    given = getattr(form, "cleaned_data", {})
    for token in of_owner:
        token.revoke_reason, token.revoke_note = given.get("reason", ""), given.get("note", "")
        token.revoked_at = timezone.now()
    return emails.of_revoked(of_owner, by.label)


def _ended(number: int) -> str:
    text = ngettext(
        "%(number)s token ended: refused from now on, everywhere.",
        "%(number)s tokens ended: refused from now on, everywhere.",
        number,
    )
    return text % {"number": number}


def _had_ended(number: int) -> str:
    text = ngettext("%(number)s token had already ended.", "%(number)s tokens had already ended.", number)
    return text % {"number": number}
