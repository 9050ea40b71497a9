from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from profiles.access import current_account, signed_in
from profiles.events import Actor
from profiles.forms import note_errors
from profiles.forms_authorizations import AssignForm, ServerSignInForm
from profiles.models import Account, Authorization, Server, User
from profiles.permissions import Act
from profiles.views_servers import may_change

State = Authorization.State
BADGES = {
    State.WORKS: "ok", State.NARROW: "warn", State.ELSEWHERE: "warn", State.EXPIRED: "bad", State.DEAD: "bad",
    State.ENDED: "quiet",
}  # fmt: skip
HELP = {
    State.NARROW: _("The server is now used with more scopes than were granted. Connect it again."),
    State.ELSEWHERE: _(
        "The server has another address, or another way to sign in, than when this was stored. It goes "
        "to the old one only, so it is not used. Connect it again."
    ),
    State.EXPIRED: _("It has expired and cannot be renewed. Connect it again."),
}


@dataclass(frozen=True, slots=True)
class Row:
    """An authorization as the pages show it."""

    authorization: Authorization
    state: Authorization.State
    is_own: bool

    @property
    def kind(self) -> str:
        return BADGES[self.state]

    @property
    def help(self) -> str:
        return str(HELP.get(self.state, ""))

    @property
    def wants_sign_in(self) -> bool:
        return self.is_own and self.state not in (State.WORKS, State.ENDED)


def row_of(authorization: Authorization, user: User, now: datetime) -> Row:
    return Row(authorization, authorization.state(now), authorization.owner_id == user.pk)


@require_safe
def authorizations(request: HttpRequest) -> HttpResponse:
    """Show what signs in upstream: the person's own, or all of the account to who manages them."""
    account, user, now = current_account(request), signed_in(request), timezone.now()
    seen = Authorization.objects.seen_by(user, account).living().select_related("server", "owner")
    rows = [row_of(one, user, now) for one in seen.prefetch_related("toolkits").order_by("-created_at")]
    context = {
        "rows": rows,
        "may_manage": account.lets(user, Act.AUTHORIZE),
        "may_connect": Authorization.objects.may_connect(user, account),
        "wanting": _wanting(account, user, now),
    }
    return render(request, "profiles/authorizations.html", context)


def _wanting(account: Account, user: User, now: datetime) -> list[Server]:
    """Return the servers that want a sign-in and have none for this person, nor an older one that is shown."""
    at_hand = Authorization.objects.usable(now).reaching(user.pk, account.pk).values("server")
    older = Authorization.objects.living().filter(account=account, owner=user).values("server")
    wanting = Server.objects.visible_in(account).exclude(authentication=Server.Authentication.NONE)
    return list(wanting.exclude(Q(pk__in=at_hand) | Q(pk__in=older)).order_by("name"))


def _seen(request: HttpRequest, pk: Any) -> Authorization:
    user = signed_in(request)
    found = Authorization.objects.living().select_related("server", "account", "owner")
    authorization = get_object_or_404(found, pk=pk)
    if not Authorization.objects.seen_by(user, authorization.account).filter(pk=pk).exists():
        raise Http404
    return authorization


def _managed(request: HttpRequest, pk: Any) -> Authorization:
    """Return it to who manages the organization's; 404 for its owner too, who may only end it."""
    authorization = _seen(request, pk)
    if not authorization.account.lets(signed_in(request), Act.AUTHORIZE):
        raise Http404
    return authorization


@require_safe
def authorization(request: HttpRequest, pk: Any) -> HttpResponse:
    found = _seen(request, pk)
    return _page(request, found, AssignForm(authorization=found, initial={"toolkits": found.toolkits.all()}))


def _page(request: HttpRequest, found: Authorization, form: AssignForm) -> HttpResponse:
    user = signed_in(request)
    context = {
        "row": row_of(found, user, timezone.now()),
        "authorization": found,
        "assigned": found.toolkits.all(),
        "may_manage": found.account.lets(user, Act.AUTHORIZE),
        "form": form,
    }
    return render(request, "profiles/authorization.html", context, status=422 if form.errors else 200)


@require_POST
def authorization_visibility(request: HttpRequest, pk: Any) -> HttpResponse:
    found = _managed(request, pk)
    wanted = request.POST.get("visibility", "")
    if wanted not in Authorization.Visibility.values:
        messages.error(request, gettext("Nothing was changed: choose its owner, or the whole account."))
    elif found.change_visibility(wanted, by=Actor.from_request(request), now=timezone.now()):
        messages.success(
            request,
            gettext("It is now used for %(whom)s, from the next call on.") % {"whom": found.get_visibility_display()},
        )
    else:
        messages.info(request, gettext("Nothing was different, so nothing was changed."))
    return redirect("authorization", found.pk)


@require_POST
def authorization_toolkits(request: HttpRequest, pk: Any) -> HttpResponse:
    found = _managed(request, pk)
    form = AssignForm(request.POST, authorization=found)
    if not form.is_valid():
        return _page(request, found, form)
    if found.assign(form.cleaned_data["toolkits"], by=Actor.from_request(request), now=timezone.now()):
        messages.success(request, gettext("Saved. It holds from the next call on."))
    else:
        messages.info(request, gettext("Nothing was different, so nothing was changed."))
    return redirect("authorization", found.pk)


@require_POST
def authorization_end(request: HttpRequest, pk: Any) -> HttpResponse:
    """End it: its owner may, and who manages the organization's."""
    found = _seen(request, pk)
    found.end(by=Actor.from_request(request), now=timezone.now())
    messages.success(
        request,
        gettext(
            "The authorization for “%(server)s” has ended, and its secret is deleted here. The server was "
            "not told: take the access away there too, if nobody else needs it."
        )
        % {"server": found.server},
    )
    return redirect("authorizations")


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("client_secret")
def server_sign_in(request: HttpRequest, pk: Any) -> HttpResponse:
    """Choose how Nexus signs in at the server."""
    server = get_object_or_404(Server.objects.visible_in(current_account(request)), pk=pk)
    if not may_change(request, server):
        raise Http404
    initial = {name: getattr(server, name) for name in ServerSignInForm.base_fields if name != "client_secret"}
    if request.GET.get("authentication") in Server.Authentication.values:
        initial["authentication"] = request.GET["authentication"]
    form = ServerSignInForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            changed = server.sign_in_by(**form.cleaned_data, by=Actor.from_request(request), now=timezone.now())
        except ValidationError as error:
            note_errors(form, error)
        else:
            messages.success(
                request, gettext("Saved.") if changed else gettext("Nothing was different, so nothing was changed.")
            )
            return redirect("authorization_connect" if server.wants_sign_in else "server", server.pk)
    context = {"form": form, "server": server}
    return render(request, "profiles/server_sign_in.html", context, status=422 if form.errors else 200)
