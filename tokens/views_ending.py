"""Pausing one token, and revoking many at once."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from profiles import confirmation
from profiles.access import current_account, signed_in
from profiles.events import Actor
from profiles.models import Toolkit, User
from profiles.permissions import Act
from tokens import locking
from tokens.forms import RevokeForm
from tokens.models import Credentials, DelegatedToken
from tokens.models.narrowing import MAX_NETWORKS

READ_AND_WRITE = ["GET", "HEAD", "POST"]


def _visible(request: HttpRequest, public_id: str) -> DelegatedToken:
    visible = DelegatedToken.objects.visible_to(signed_in(request)).select_related("owner", "toolkit", "account")
    return get_object_or_404(visible, public_id=public_id)


@require_POST
def pause(request: HttpRequest, public_id: str) -> HttpResponse:
    found = _visible(request, public_id)
    if found.pause(by=Actor.from_request(request), now=timezone.now()):
        messages.success(
            request,
            gettext("“%(name)s” is paused: every call from now on is refused until it is resumed.")
            % {"name": found.name},
        )
    else:
        messages.info(
            request, gettext("“%(name)s” was paused already, or has ended. Nothing was changed.") % {"name": found.name}
        )
    return redirect("token", found.public_id)


@require_POST
def lock(request: HttpRequest, public_id: str) -> HttpResponse:
    """Keep a token to those of the addresses it was used from that the person saw on its page."""
    found = _visible(request, public_id)
    shown = set(request.POST.getlist("networks"))
    wanted = [each for each in locking.Seen.of(found).networks if each in shown][:MAX_NETWORKS]
    if found.keep_to(wanted, by=Actor.from_request(request), now=timezone.now()):
        text = gettext("“%(name)s” is kept to %(networks)s: a call from elsewhere gets a 403 from now on.")
        messages.success(request, text % {"name": found.name, "networks": ", ".join(wanted)})
    else:
        messages.info(request, gettext("Nothing was changed: it has ended, or no call of it came from there."))
    return redirect("token", found.public_id)


@require_POST
def resume(request: HttpRequest, public_id: str) -> HttpResponse:
    """Let a paused token work again; only for somebody who has just confirmed who they are."""
    found = _visible(request, public_id)
    if not confirmation.is_confirmed(request):
        messages.info(request, gettext("“%(name)s” is still paused. Press Resume once more.") % {"name": found.name})
        return confirmation.ask(request, next_url=reverse("token", args=[found.public_id]))
    if found.resume(by=Actor.from_request(request), now=timezone.now()):
        messages.success(
            request, gettext("“%(name)s” goes on: its calls are let through again.") % {"name": found.name}
        )
    else:
        messages.info(request, gettext("“%(name)s” is not paused. Nothing was changed.") % {"name": found.name})
    return redirect("token", found.public_id)


@require_http_methods(READ_AND_WRITE)
def revoke_mine(request: HttpRequest) -> HttpResponse:
    """Revoke all that the person has, in every account."""
    user = signed_in(request)
    said = {
        "title": gettext("Revoke all my tokens"),
        "lead": gettext("All that can call the hub and is yours, in every account."),
    }
    return _revoke(request, Credentials.of_owner(user), said, reverse("tokens"))


@require_http_methods(READ_AND_WRITE)
def revoke_of_person(request: HttpRequest, pk: int) -> HttpResponse:
    """Revoke all that a person has in the current account."""
    account = current_account(request)
    if not account.lets(signed_in(request), Act.SEE_ACTIVITY):
        raise Http404
    of_account = User.objects.filter(memberships__account=account) | User.objects.filter(tokens__account=account)
    person = get_object_or_404(of_account.distinct(), pk=pk)
    lead = gettext("All that can call the hub and is of %(person)s in %(account)s.")
    said = {
        "title": gettext("Revoke all tokens of %(person)s") % {"person": person},
        "lead": lead % {"person": person, "account": account},
    }
    return _revoke(request, Credentials.of_owner(person, account), said, reverse("tokens"))


@require_http_methods(READ_AND_WRITE)
def revoke_of_toolkit(request: HttpRequest, pk: object) -> HttpResponse:
    toolkit = get_object_or_404(Toolkit.objects.managed_by(signed_in(request)), pk=pk)
    page = reverse("toolkit", args=[toolkit.pk])
    said = {
        "title": gettext("Revoke all tokens of “%(toolkit)s”") % {"toolkit": toolkit},
        "lead": gettext("All that can call the hub and is of this toolkit, whoever has them."),
    }
    return _revoke(request, Credentials.of_toolkit(toolkit), said, page)


def _revoke(request: HttpRequest, found: Credentials, said: dict[str, str], page: str) -> HttpResponse:
    """Say how many there are and ask for a reason; to a POST, end them all before the answer is sent."""
    now = timezone.now()
    form = RevokeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        ended = found.revoke(by=Actor.from_request(request), now=now, **form.cleaned_data)
        if ended.total:
            messages.success(
                request, gettext("Revoked: %(ended)s. Every call from now on gets a 401.") % {"ended": ended}
            )
        else:
            messages.info(request, gettext("There was nothing left to revoke."))
        return redirect(page)
    context = {"form": form, "found": found.living(now), "page": page, **said}
    return render(request, "tokens/revoke_many.html", context, status=422 if form.errors else 200)
