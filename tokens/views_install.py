from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from profiles import confirmation
from profiles.access import current_account, signed_in
from profiles.events import Actor
from profiles.models import Toolkit
from tokens import clients, expiry, qr
from tokens.clients.stores import secret_name, stores_for, url_line
from tokens.forms import ExpiryForm, InstallForm, zone_options
from tokens.installing import Choice, Health, cards, chosen_among, looks_like_a_phone
from tokens.models import AlreadyIssued, DelegatedToken, Issued
from tokens.narrowable import ticks
from tokens.pages import unkept

KEPT = "install"
LAST_KEY = "last_client"


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
    if issued is None:
        return _form_page(request, form, status=422)
    choice = Choice.read(form.said, issued.token.toolkit, last=_last(request))
    return issued_page(request, issued, choice, expiry.describe(issued.token.expires_at, form.shown_zone, form.now))


@require_POST
def preview(request: HttpRequest) -> HttpResponse:
    """Show the form again with the moment that it names now: for browsers without JavaScript."""
    return _form_page(request, InstallForm(request.POST, user=signed_in(request), now=timezone.now()))


@require_safe
def moment(request: HttpRequest) -> HttpResponse:
    """Say in words which moment the expiry fields name."""
    form = ExpiryForm(request.GET, now=timezone.now(), own_zone=signed_in(request).time_zone)
    form.is_valid()
    return render(request, "tokens/_moment.html", {"form": form, "moment": form.described()})


@require_safe
def qr_code(request: HttpRequest, pk: Any) -> HttpResponse:
    """Draw the MCP URL of a toolkit, for the camera of a phone."""
    toolkit = get_object_or_404(Toolkit.objects.usable_by(signed_in(request)), pk=pk)
    return HttpResponse(qr.drawn(toolkit.mcp_url), content_type="image/svg+xml")


@sensitive_variables("issued", "context")
def issued_page(
    request: HttpRequest,
    issued: Issued,
    choice: Choice,
    moment: expiry.Described,
    replaced: DelegatedToken | None = None,
) -> HttpResponse:
    """Show a new token, once, with the set-up of the client that will use it."""
    token, facts = issued.token, choice.facts
    request.session[LAST_KEY] = choice.client.slug
    context = {
        "token": token,
        "secret": issued.key.text,
        "moment": moment,
        "replaced": replaced,
        "choice": choice,
        "stores": stores_for(token, facts),
        "file": f"{secret_name(token, facts)}.env",
        "url_line": url_line(facts),
        "now": timezone.now(),
    }
    return unkept(request, "tokens/issued.html", context, status=200)


def last_choice(request: HttpRequest, toolkit: Toolkit) -> Choice:
    """Return the choice of a page that asks for no client."""
    return Choice.with_token(toolkit, last=_last(request))


def _last(request: HttpRequest) -> str:
    return str(request.session.get(LAST_KEY, ""))


def _form_for_get(request: HttpRequest) -> InstallForm:
    """Return the form as it was before a confirmation, or filled in from the address; this issues nothing."""
    user, now = signed_in(request), timezone.now()
    if kept := confirmation.take_form(request, KEPT):
        return InstallForm(kept, user=user, now=now)
    account = current_account(request)
    initial: dict[str, Any] = {name: request.GET.get(name, "")[:40] for name in ("client", "auth", "of")}
    if wanted := request.GET.get("name", "")[:80]:
        initial["name"] = DelegatedToken.objects.all().free_name(user, account, wanted)
    if request.GET.get("days") in expiry.PRESETS:
        initial["life"] = request.GET["days"]
    named = Toolkit.objects.usable_by(user).filter(account=account, alias=request.GET.get("profile", "")).first()
    initial["toolkit"] = request.GET.get("toolkit") or (named and named.pk)
    return InstallForm(initial=initial, user=user, now=now)


def _first_step(request: HttpRequest, form: InstallForm) -> str:
    """Return the step that is open at first, where one is open at a time: the first that has not been answered."""
    if form.is_bound or request.GET.get("client"):
        return "set-up"
    return "client" if request.GET.get("profile") or request.GET.get("toolkit") else "toolkit"


def _archived(request: HttpRequest) -> Toolkit | None:
    """Return the toolkit that the address names, if it is archived: the page shows another one."""
    if not (name := request.GET.get("toolkit") or request.GET.get("profile")):
        return None
    seen = Toolkit.objects.open_to(signed_in(request)).filter(account=current_account(request))
    found: Toolkit | None = seen.named(name).exclude(archived_at=None).first()
    return found


def _form_page(request: HttpRequest, form: InstallForm, status: int = 200) -> HttpResponse:
    user, now = signed_in(request), timezone.now()
    toolkits = list(form.toolkits().with_counts())
    toolkit = chosen_among(toolkits, str(form["toolkit"].value() or ""), current_account(request))
    context: dict[str, Any] = {"form": form, "toolkits": toolkits, "archived": _archived(request), "now": now}
    if toolkit:
        choice, health = Choice.read(form.said, toolkit, last=_last(request)), Health.of(toolkit, user, now=now)
        form.allow_lives(health.rules.max_life)
        context |= {
            "choice": choice,
            "phone": looks_like_a_phone(request.headers),
            "step": _first_step(request, form),
            "health": health,
            "groups": cards(choice.client),
            "count": len(clients.every()),
            "tools": ticks(toolkit, form.chosen_tools) if choice.takes_token else [],
            "zones": zone_options() if choice.takes_token else "",
            "moment": form.described(),
            "is_back": form.is_bound and request.method != "POST",
        }
    return unkept(request, "tokens/install.html", context, status=status)
