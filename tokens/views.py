from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from profiles.access import current_account, signed_in
from profiles.events import Actor, Event
from profiles.models import ReminderStage, Toolkit
from profiles.permissions import Act
from tokens import expiry, locking, uses
from tokens.forms import RevokeForm, TokenFilterForm
from tokens.models import Connection, DelegatedToken, Dismissal
from tokens.shown import HasState

PAGE_SIZE = 50
EVENTS_SHOWN = 20
NARROWED_SHOWN = 20
GENERATIONS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Shown(HasState):
    """A token, and what the clock makes of it."""

    token: DelegatedToken
    state: DelegatedToken.State
    words: str
    use: uses.Use | None = None
    silent_since: datetime | None = None

    @classmethod
    def at(cls, token: DelegatedToken, now: datetime, use: uses.Use | None = None) -> "Shown":
        silent = uses.silent_since(token, use, now)
        return cls(token, token.state(now), expiry.words(token.ends_at, now), use, silent)


@require_safe
def tokens(request: HttpRequest) -> HttpResponse:
    user, account, now = signed_in(request), current_account(request), timezone.now()
    visible = DelegatedToken.objects.of_account(account, user)
    toolkits = Toolkit.objects.open_to(user).filter(account=account)  # which of them have tokens, all would tell
    form = TokenFilterForm(request.GET, tokens=visible, toolkits=toolkits)
    filters = {key: value for key, value in request.GET.items() if value and key in form.fields and key != "before"}
    if not form.is_valid():
        return render(request, "tokens/tokens.html", {"form": form, "is_filtered": True}, status=422)
    found = form.narrow(visible, now).select_related("owner", "toolkit")
    before = form.cleaned_data["before"]
    rows = list(found.order_by("-issued_at", "-id")[: PAGE_SIZE + 1])
    context = {
        "form": form,
        "rows": [Shown.at(token, now) for token in rows[:PAGE_SIZE]],
        "is_filtered": bool(filters),
        "has_exchanged": form.leaves_out_exchanged and visible.made_by_exchange().exists(),
        "shows_owner": account.lets(user, Act.SEE_ACTIVITY),
        "newer": f"?{urlencode(filters)}" if before else "",
        "older": f"?{urlencode({**filters, 'before': rows[PAGE_SIZE - 1].public_id})}" if rows[PAGE_SIZE:] else "",
    }
    return render(request, "tokens/tokens.html", context)


def _visible(request: HttpRequest, public_id: str) -> DelegatedToken:
    visible = DelegatedToken.objects.visible_to(signed_in(request)).select_related(
        "owner", "toolkit", "account", "parent", "session__connection__application"
    )
    return get_object_or_404(visible, public_id=public_id)


@require_safe
def token(request: HttpRequest, public_id: str) -> HttpResponse:
    if Connection.objects.visible_to(signed_in(request)).filter(public_id=public_id).exists():
        return redirect("connection", public_id)  # calls name the connection where they name a token otherwise
    found, now = _visible(request, public_id), timezone.now()
    events = Event.objects.filter(subject_kind="delegatedtoken", subject_id=str(found.pk))[:EVENTS_SHOWN]
    zone = signed_in(request).zone
    generations, shown = _generations(found, now), Shown.at(found, now)
    context = {
        "shown": shown,
        "token": found,
        "seen": None if shown.is_over or found.exchanges else locking.Seen.of(found),
        "ends": expiry.describe(found.revoked_at or found.ends_at, zone, now),
        "events": events,
        "narrowed": [Shown.at(token, now) for token in found.narrowed.all()[:NARROWED_SHOWN]],
        "generations": generations,
        "use": next((each.use for each in generations if each.token.pk == found.pk), None),
        "manages": current_account(request) == found.account
        and found.account.lets(signed_in(request), Act.SEE_ACTIVITY),
        "may_replace": found.owner_id == request.user.pk and found.may_be_replaced(now),
        "reminders": found.reminders.order_by("-claimed_at", "-pk"),
    }
    return render(request, "tokens/token.html", context)


def _generations(found: DelegatedToken, now: datetime) -> list[Shown]:
    family = list(found.generations()[:GENERATIONS_SHOWN])
    used = uses.of(family, now)
    return [Shown.at(each, now, used.get(each.public_id)) for each in family]


@require_safe
def generations(request: HttpRequest, public_id: str) -> HttpResponse:
    """Return the part of the page that counts the calls of the generations, for the script that renews it."""
    found = _visible(request, public_id)
    context = {"token": found, "generations": _generations(found, timezone.now())}
    return render(request, "tokens/_generations.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: HttpRequest, public_id: str) -> HttpResponse:
    """Ask for a reason; to a POST, end the token before the answer is sent."""
    found, now = _visible(request, public_id), timezone.now()
    form = RevokeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        if found.revoke(by=Actor.from_request(request), now=now, **form.cleaned_data):
            moment = expiry.describe(now, signed_in(request).zone, now)
            text = gettext("“%(name)s” is revoked since %(moment)s: every call from now on gets a 401.")
            messages.success(request, text % {"name": found.name, "moment": moment.local})
        else:
            messages.info(request, gettext("“%(name)s” had ended already. Nothing was changed.") % {"name": found.name})
        return redirect("token", found.public_id)
    context = {"form": form, "token": found, "shown": Shown.at(found, now)}
    return render(request, "tokens/revoke.html", context, status=422 if form.errors else 200)


@require_POST
def dismiss(request: HttpRequest, public_id: str) -> HttpResponse:
    """Take this stage of the person's own token away from above every page; the next stage shows again."""
    found = get_object_or_404(DelegatedToken, owner=signed_in(request), public_id=public_id)
    return dismissed(request, {"token": found}, reverse("tokens"))


def dismissed(request: HttpRequest, about: dict[str, Any], page: str) -> HttpResponse:
    """Note that the person need not see this stage again, and lead back to where they were."""
    stage = request.POST.get("stage", "")
    if stage in ReminderStage.values:
        Dismissal.objects.get_or_create(**about, stage=stage, defaults={"at": timezone.now()})
    else:
        messages.error(request, gettext("Nothing was dismissed: press Dismiss beside the token or key."))
    wanted = request.POST.get("next", "")
    is_ours = wanted.startswith("/") and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return HttpResponseRedirect(wanted if is_ours else page)
