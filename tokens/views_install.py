from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from profiles import confirmation
from profiles.access import current_account, signed_in
from profiles.events import Actor
from profiles.models import Authorization, Server, Toolkit
from tokens import expiry, snippets
from tokens.forms import ExpiryForm, InstallForm
from tokens.models import AlreadyIssued, DelegatedToken, Issued, Policy, Rules
from tokens.models.policies import MAX_LIFE
from tokens.pages import unkept

KEPT = "install"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the page says of a toolkit that may be chosen."""

    toolkit: Toolkit
    unconnected: list[Server]
    rules: Rules

    @property
    def longest(self) -> int:
        return int(self.rules.max_life.total_seconds())

    @property
    def is_shortened(self) -> bool:
        return self.rules.max_life < MAX_LIFE


@dataclass(frozen=True, slots=True)
class Tick:
    """A tool that a token may be kept to."""

    name: str
    is_read_only: bool
    is_chosen: bool


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("issued")
def install(request: HttpRequest) -> HttpResponse:
    """Show the form; to a POST answer with the page that shows the new token, the only one that ever does."""
    if request.method != "POST":
        return _form_page(request, _form_for_get(request))
    form = InstallForm(request.POST, user=signed_in(request), now=timezone.now())
    if not form.is_valid():
        return _form_page(request, form, status=422)
    if not confirmation.is_confirmed(request):
        confirmation.keep_form(request, KEPT, request.POST)
        return confirmation.ask(request, next_url=reverse("install"))
    try:
        issued = form.issue(by=Actor.from_request(request))
    except AlreadyIssued as repeated:
        return unkept(request, "tokens/already_issued.html", {"token": repeated.token}, status=409)
    return _issued_page(request, form, issued) if issued else _form_page(request, form, status=422)


@require_POST
def preview(request: HttpRequest) -> HttpResponse:
    """Show the form again with the URL and the moment that it names now: for browsers without JavaScript."""
    return _form_page(request, InstallForm(request.POST, user=signed_in(request), now=timezone.now()))


@require_safe
def moment(request: HttpRequest) -> HttpResponse:
    """Say in words which moment the expiry fields name."""
    form = ExpiryForm(request.GET, now=timezone.now(), own_zone=signed_in(request).time_zone)
    form.is_valid()
    return render(request, "tokens/_moment.html", {"form": form, "moment": form.described()})


@require_safe
def tools(request: HttpRequest) -> HttpResponse:
    """Show the tools of a toolkit, to choose from."""
    form = InstallForm(user=signed_in(request), now=timezone.now())
    try:
        toolkit: Toolkit = form.fields["toolkit"].clean(request.GET.get("toolkit"))
    except ValidationError:
        raise Http404 from None
    return render(request, "tokens/_install_tools.html", {"tools": _tools(toolkit, form)})


def _form_for_get(request: HttpRequest) -> InstallForm:
    """Return the form as it was before a confirmation, or filled in from the address; this issues nothing."""
    user, now = signed_in(request), timezone.now()
    if kept := confirmation.take_form(request, KEPT):
        return InstallForm(kept, user=user, now=now)
    account = current_account(request)
    initial: dict[str, Any] = {}
    if wanted := request.GET.get("name", "")[:80]:
        initial["name"] = DelegatedToken.objects.all().free_name(user, account, wanted)
    if request.GET.get("days") in expiry.PRESETS:
        initial["life"] = request.GET["days"]
    usable = Toolkit.objects.usable_by(user).filter(account=account)
    chosen = usable.filter(alias=request.GET.get("profile", "")).first() or usable.first()
    return InstallForm(initial={**initial, "toolkit": chosen and chosen.pk}, user=user, now=now)


def _form_page(request: HttpRequest, form: InstallForm, status: int = 200) -> HttpResponse:
    toolkits = list(form.toolkits().with_counts())
    shown = str(form["toolkit"].value() or "")
    chosen = next((toolkit for toolkit in toolkits if str(toolkit.pk) == shown), next(iter(toolkits), None))
    rules = Policy.objects.rules_of(toolkits)
    if chosen:
        form.allow_lives(rules[chosen.pk].max_life)
    missing = Authorization.objects.missing_for(signed_in(request), toolkits, now=timezone.now())
    context = {
        "form": form,
        "toolkits": toolkits,
        "facts": [Facts(toolkit, missing.get(toolkit.pk, []), rules[toolkit.pk]) for toolkit in toolkits],
        "chosen": chosen,
        "tools": _tools(chosen, form) if chosen else [],
        "zones": expiry.zone_names(),
        "moment": form.described(),
        "presets": form.described_presets(),
        "is_back": form.is_bound and request.method != "POST",
    }
    return unkept(request, "tokens/install.html", context, status=status)


def _tools(toolkit: Toolkit, form: InstallForm) -> list[Tick]:
    entries = toolkit.allowed_entries().order_by("exposed_name").values_list("exposed_name", "is_marked_read_only")
    return [Tick(name, bool(is_read_only), name in form.chosen_tools) for name, is_read_only in entries]


@sensitive_variables("issued", "context")
def _issued_page(request: HttpRequest, form: InstallForm, issued: Issued) -> HttpResponse:
    token = issued.token
    context = {
        "token": token,
        "secret": issued.key.text,
        "moment": expiry.describe(token.expires_at, form.shown_zone, form.now),
        "snippets": snippets.of(token.toolkit),
        "env": snippets.env_lines(token.toolkit),
    }
    return unkept(request, "tokens/issued.html", context, status=200)
