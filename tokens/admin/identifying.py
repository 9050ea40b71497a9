"""Whose is this? A secret that was found somewhere leads to its row; it is neither stored nor shown again."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.hashers import check_password
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST

from tokens import keys
from tokens.models import AccessToken, Application, CalendarFeed, DelegatedToken, ManagementKey, RefreshToken

LONGEST = 300  # characters that are looked at


class FindForm(forms.Form):
    secret = forms.CharField(max_length=LONGEST)


@require_POST
@sensitive_post_parameters("secret")
@sensitive_variables("text", "form")
def identify(request: HttpRequest) -> HttpResponse:
    """Lead to what the pasted secret belongs to; whatever came of it, and without saying it again."""
    form = FindForm(request.POST)
    text = form.cleaned_data["secret"].strip().removeprefix("Bearer ").strip() if form.is_valid() else ""
    kind = keys.kind_of(text)
    if kind is None:
        messages.error(
            request, gettext("This has not the form of a secret of ours, or a character of it is missing or wrong.")
        )
        return redirect("admin:index")
    path = LOOKS[kind](keys.digest(text)) if kind in LOOKS else _application(text)
    if path is None:
        text = gettext("It has the form of a %(kind)s, but no such secret was ever made here.")
        messages.warning(request, text % {"kind": NAMES[kind]})
        return redirect("admin:index")
    text = gettext("Found: the %(kind)s belongs here. If it lay in the open, end it as leaked.")
    messages.success(request, text % {"kind": NAMES[kind]})
    return HttpResponseRedirect(path)


def _page(model: str, pk: Any) -> str:
    return reverse(f"admin:{model}_change", args=[pk])


def _delegated(digest: str) -> str | None:
    pk = DelegatedToken.objects.filter(digest=digest).values_list("pk", flat=True).first()
    return _page("tokens_delegatedtoken", pk) if pk else None


def _management(digest: str) -> str | None:
    pk = ManagementKey.objects.filter(digest=digest).values_list("pk", flat=True).first()
    return _page("tokens_managementkey", pk) if pk else None


def _access(digest: str) -> str | None:
    pk = AccessToken.objects.filter(token_checksum=digest).values_list("session", flat=True).first()
    return _page("tokens_oauthsession", pk) if pk else None


def _refresh(digest: str) -> str | None:
    pk = RefreshToken.objects.filter(token_checksum=digest).values_list("session", flat=True).first()
    return _page("tokens_oauthsession", pk) if pk else None


def _calendar(digest: str) -> str | None:
    pk = CalendarFeed.objects.filter(digest=digest).values_list("owner", flat=True).first()
    return _page("profiles_user", pk) if pk else None


def _application(text: str) -> str | None:
    """An application's secret is kept under its client id, which is the public id in it."""
    found = Application.objects.filter(client_id=text.split("_")[1]).first()
    return _page("tokens_application", found.pk) if found and check_password(text, found.client_secret) else None


LOOKS: dict[keys.Kind, Callable[[str], str | None]] = {
    keys.Kind.DELEGATED: _delegated, keys.Kind.MANAGEMENT: _management, keys.Kind.ACCESS: _access,
    keys.Kind.REFRESH: _refresh, keys.Kind.CALENDAR: _calendar,
}  # fmt: skip
NAMES = {
    keys.Kind.DELEGATED: _("delegated token"), keys.Kind.MANAGEMENT: _("management key"),
    keys.Kind.ACCESS: _("access token"), keys.Kind.REFRESH: _("refresh token"),
    keys.Kind.CALENDAR: _("calendar feed"), keys.Kind.CLIENT: _("application's secret"),
}  # fmt: skip
