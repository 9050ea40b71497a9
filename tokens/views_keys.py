"""Management keys, for the REST API: made, replaced and ended by people; a key is shown once."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from profiles import confirmation
from profiles.access import current_account, signed_in
from profiles.events import Actor, ActorKind, Event
from profiles.permissions import Act
from tokens import expiry
from tokens.forms import RevokeForm
from tokens.forms_keys import KeyForm, Made, ReplaceKeyForm
from tokens.models import AlreadyMade, DelegatedToken, ManagementKey
from tokens.pages import unkept
from tokens.shown import HasState
from tokens.views import dismissed

READ_AND_WRITE = ["GET", "HEAD", "POST"]
KEPT = "management"
MOST_SHOWN = 200  # families
GENERATIONS_SHOWN = 20
EVENTS_SHOWN = 20
TOKENS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Shown(HasState):
    """A key, and what the clock makes of it."""

    key: ManagementKey
    state: DelegatedToken.State
    words: str

    @classmethod
    def at(cls, key: ManagementKey, now: datetime) -> "Shown":
        return cls(key, key.state(now), expiry.words(key.ends_at, now))


@require_safe
def keys(request: HttpRequest) -> HttpResponse:
    """Show the person's keys in this account; to whoever may revoke there, everybody's."""
    user, account, now = signed_in(request), current_account(request), timezone.now()
    visible = ManagementKey.objects.visible_to(user).filter(account=account).select_related("owner")
    rows = [Shown.at(key, now) for key in visible.newest_of_families()[:MOST_SHOWN]]
    context = {
        "living": [row for row in rows if not row.is_over],
        "ended": [row for row in rows if row.is_over],
        "shows_owner": account.lets(user, Act.SEE_ACTIVITY),
        "api": f"{settings.NEXUS_BASE_URL}/api/v1/",
    }
    return render(request, "tokens/keys.html", context)


@require_http_methods(READ_AND_WRITE)
@sensitive_variables("made")
def key_make(request: HttpRequest) -> HttpResponse:
    """Show the form; to the POST of somebody who has confirmed who they are, answer with the key, this once."""
    user, account, now = signed_in(request), current_account(request), timezone.now()
    if request.method != "POST":
        kept = confirmation.take_form(request, KEPT)
        return _make_page(request, KeyForm(kept, user=user, account=account, now=now), is_back=kept is not None)
    form = KeyForm(request.POST, user=user, account=account, now=now)
    if not form.is_valid():
        return _make_page(request, form, status=422)
    if not confirmation.is_confirmed(request):
        confirmation.keep_form(request, KEPT, request.POST)
        return confirmation.ask(request, next_url=reverse("key_make"))
    try:
        made = form.make(by=Actor.from_request(request))
    except AlreadyMade as repeated:
        return unkept(request, "tokens/key_repeated.html", {"key": repeated.key}, status=409)
    return _made_page(request, made) if made else _make_page(request, form, status=422)


def _make_page(request: HttpRequest, form: KeyForm, *, status: int = 200, is_back: bool = False) -> HttpResponse:
    context = {"form": form, "is_back": is_back and not form.errors}
    return unkept(request, "tokens/key_make.html", context, status=status)


@sensitive_variables("made", "context", "secret")
def _made_page(request: HttpRequest, made: Made, replaced: ManagementKey | None = None) -> HttpResponse:
    key, secret = made
    context = {
        "key": key,
        "secret": secret.text,
        "replaced": replaced,
        "ends": expiry.describe(key.expires_at, signed_in(request).zone, timezone.now()),
        "api": f"{settings.NEXUS_BASE_URL}/api/v1",
    }
    return unkept(request, "tokens/key_made.html", context)


def _visible(request: HttpRequest, public_id: str) -> ManagementKey:
    visible = ManagementKey.objects.visible_to(signed_in(request)).with_role().select_related("owner", "account")
    return get_object_or_404(visible, public_id=public_id)


@require_safe
def key(request: HttpRequest, public_id: str) -> HttpResponse:
    found, now = _visible(request, public_id), timezone.now()
    family = list(found.generations()[:GENERATIONS_SHOWN])
    effective = found.effective_scopes()
    context = {
        "key": found,
        "shown": Shown.at(found, now),
        "ends": expiry.describe(found.revoked_at or found.ends_at, signed_in(request).zone, now),
        "scopes": [(scope, scope in effective) for scope in found.scopes],
        "generations": [Shown.at(each, now) for each in family],
        "is_own": found.owner_id == request.user.pk,
        "may_replace": found.owner_id == request.user.pk and found.may_be_replaced(now),
        "issued": found.issued_tokens(now).select_related("toolkit")[:TOKENS_SHOWN],
        "deeds": _deeds(found, family),
        "events": Event.objects.filter(
            subject_kind="managementkey", subject_id__in=[str(each.pk) for each in family]
        )[:EVENTS_SHOWN],
    }  # fmt: skip
    return render(request, "tokens/key.html", context)


def _deeds(found: ManagementKey, family: list[ManagementKey]) -> list[Event]:
    """Return what was done with the key and its other generations, the newest first."""
    of_account = Event.objects.filter(account_id=found.account_id, at__gte=min(each.issued_at for each in family))
    done = of_account.filter(actor_kind=ActorKind.TOKEN, actor_id__in=[each.public_id for each in family])
    return list(done[:EVENTS_SHOWN])


@require_http_methods(READ_AND_WRITE)
@sensitive_variables("made")
def key_replace(request: HttpRequest, public_id: str) -> HttpResponse:
    """Show how the key would be replaced; to its owner's POST answer with the new key, this once."""
    own = ManagementKey.objects.owned_by(signed_in(request)).select_related("owner", "account")
    found, now = get_object_or_404(own, public_id=public_id), timezone.now()
    name = f"replace {found.public_id}"
    kept = confirmation.take_form(request, name) if request.method != "POST" else None
    form = ReplaceKeyForm(
        request.POST if request.method == "POST" else kept, key=found, user=signed_in(request), now=now
    )
    if request.method != "POST" or not form.is_valid():
        return _replace_page(request, form, status=422 if request.method == "POST" else 200)
    if not confirmation.is_confirmed(request):
        confirmation.keep_form(request, name, request.POST)
        return confirmation.ask(request, next_url=reverse("key_replace", args=[public_id]))
    try:
        made = form.replace(by=Actor.from_request(request))
    except AlreadyMade as repeated:
        return unkept(request, "tokens/key_repeated.html", {"key": repeated.key}, status=409)
    return _made_page(request, made, found) if made else _replace_page(request, form, status=422)


def _replace_page(request: HttpRequest, form: ReplaceKeyForm, *, status: int) -> HttpResponse:
    found, now = form.key, timezone.now()
    context = {
        "form": form,
        "key": found,
        "has_ended": not found.may_be_replaced(now),
        "pending": found.generations().living(now).filter(stage=ManagementKey.Stage.PENDING).exists(),
        "ends": expiry.describe(found.ends_at, signed_in(request).zone, now),
        "is_back": form.is_bound and request.method != "POST" and not form.errors,
    }
    return unkept(request, "tokens/key_replace.html", context, status=status)


@require_POST
def key_dismiss(request: HttpRequest, public_id: str) -> HttpResponse:
    """Take this stage of the person's own key away from above every page; the next stage shows again."""
    found = get_object_or_404(ManagementKey.objects.owned_by(signed_in(request)), public_id=public_id)
    return dismissed(request, {"key": found}, reverse("keys"))


@require_http_methods(READ_AND_WRITE)
def key_revoke(request: HttpRequest, public_id: str) -> HttpResponse:
    """Ask for a reason; to a POST, end the key and what it issued before the answer is sent."""
    found, now = _visible(request, public_id), timezone.now()
    form = RevokeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        if found.revoke(by=Actor.from_request(request), now=now, **form.cleaned_data):
            messages.success(
                request, gettext("“%(name)s” is revoked: every request from now on gets a 401.") % {"name": found.name}
            )
        else:
            messages.info(request, gettext("“%(name)s” had ended already. Nothing was changed.") % {"name": found.name})
        return redirect("key", found.public_id)
    context = {"form": form, "key": found, "shown": Shown.at(found, now), "issued": found.issued_tokens(now).count()}
    return render(request, "tokens/key_revoke.html", context, status=422 if form.errors else 200)
