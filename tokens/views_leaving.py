"""Ending all that acts for a person, and a person's account as a whole."""

from allauth.account.internal.flows.logout import logout
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from profiles import leaving, sessions
from profiles.access import signed_in
from profiles.events import Actor
from profiles.forms import note_errors
from profiles.forms_security import DeleteAccountForm
from profiles.guards import fully_confirmed
from profiles.signals import everything_distrusted
from tokens.models import Credentials, ManagementKey

READ_AND_WRITE = ["GET", "HEAD", "POST"]


@require_http_methods(READ_AND_WRITE)
def everything(request: HttpRequest) -> HttpResponse:
    """Offer to end all tokens, keys, connected applications and other browsers at once (ASVS 5.0, 7.5.1).

    It gives nobody anything, so nobody is asked first who they are: whoever needs it is in a hurry.
    """
    user, now = signed_in(request), timezone.now()
    living, keys = Credentials.of_owner(user).living(now), ManagementKey.objects.owned_by(user).living(now).count()
    others = [each for each in sessions.of(request, user, now=now) if not each.is_this]
    if request.method != "POST":
        return render(request, "tokens/everything.html", {"living": living, "keys": keys, "others": others})
    by = Actor.from_request(request)
    everything_distrusted.send(type(user), user=user, by=by, now=now)
    sessions.end_others(user, request.session.session_key, by=by, now=now)
    ended = gettext("Revoked: %(ended)s. Every call from now on gets a 401.") % {"ended": living}
    said = ended if living.total else gettext("You had no tokens to revoke.")
    if keys:
        of_keys = ngettext("One management key has ended.", "%(number)s management keys have ended.", keys)
        said = f"{said} {of_keys % {'number': keys}}"
    here = gettext("You are signed in here only.")
    messages.success(request, f"{said} {here}")
    return redirect("settings_security")


@require_http_methods(READ_AND_WRITE)
@fully_confirmed
def delete_account(request: HttpRequest) -> HttpResponse:
    """Show what goes with the person's account; to a POST that names it, delete it."""
    user, now = signed_in(request), timezone.now()
    form = DeleteAccountForm(request.POST or None, user=user)
    if request.method == "POST" and form.is_valid():
        try:
            leaving.delete(user, by=Actor.from_request(request), now=now)
        except ValidationError as error:
            note_errors(form, error)
        else:
            logout(request)
            return redirect("account_deleted")
    context = {"form": form, "going": leaving.of(user), "living": Credentials.of_owner(user).living(now)}
    return render(request, "tokens/account_delete.html", context, status=422 if form.errors else 200)


@login_not_required
@require_safe
def account_deleted(request: HttpRequest) -> HttpResponse:
    return render(request, "account/deleted.html")
