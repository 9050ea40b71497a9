"""Settings, Security: what one signs in with."""

import base64

from allauth.mfa.adapter import get_adapter
from allauth.mfa.totp.internal.auth import generate_totp_secret
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from profiles import confirmation, encryption, factors, sessions
from profiles.access import signed_in
from profiles.events import Actor
from profiles.forms import note_errors
from profiles.forms_security import AppForm
from profiles.guards import fully_confirmed
from profiles.models import Attempts

READ_AND_WRITE = ["GET", "HEAD", "POST"]
SECRET_KEY, SECRET_PLACE = "new_app", "session.new_app"
TRIES = 10  # first codes of a new app, in 10 minutes


@require_safe
def security(request: HttpRequest) -> HttpResponse:
    user, now = signed_in(request), timezone.now()
    context = {
        "factors": factors.of(user),
        "sessions": sessions.of(request, user, now=now),
        "most_passkeys": factors.PASSKEYS,
    }
    return render(request, "profiles/settings_security.html", context)


@never_cache
@sensitive_post_parameters("code")
@require_http_methods(READ_AND_WRITE)
@fully_confirmed
def app(request: HttpRequest) -> HttpResponse:
    """Show a new secret, and turn the app on that proves it has read it."""
    user, now = signed_in(request), timezone.now()
    if factors.of(user).app:
        messages.info(request, _("An authenticator app is on already. To move to another, remove it first."))
        return redirect("settings_security")
    form = AppForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return _app_page(request, form)
    if not Attempts.objects.take(f"new-app:{user.pk}", TRIES, now=now):
        form.add_error(None, _("That was wrong too often. Wait 10 minutes, then try again."))
        return _app_page(request, form, status=429)
    try:
        secret, by = _secret_of(request), Actor.from_request(request)
        codes = factors.turn_on_app(user, secret, form.cleaned_data["code"], by=by, now=now)
    except ValidationError as error:
        note_errors(form, error)
        return _app_page(request, form)
    if codes is None:
        form.add_error("code", _("This is not the code that the app shows now. Check the clock of the phone."))
        return _app_page(request, form)
    del request.session[SECRET_KEY]
    return factor_added(request, codes, method="totp", said=_("Your authenticator app is on."))


@sensitive_variables("secret", "url")
def _app_page(request: HttpRequest, form: AppForm, status: int = 0) -> HttpResponse:
    secret = _secret_of(request)
    url = get_adapter().build_totp_url(signed_in(request), secret)
    context = {
        "form": form,
        "qr": _qr(url),
        "url": url,
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
    }
    return render(request, "profiles/settings_app.html", context, status=status or (422 if form.errors else 200))


def _secret_of(request: HttpRequest) -> str:
    """Return the secret of the app that is being set up, the same until it is on; kept encrypted."""
    kept = request.session.get(SECRET_KEY)
    if kept:
        try:
            return encryption.decrypt(kept, SECRET_PLACE)
        except encryption.Unreadable:
            pass  # a key has gone since the page was opened: begin anew
    secret: str = generate_totp_secret()
    request.session[SECRET_KEY] = encryption.encrypt(secret, SECRET_PLACE)
    return secret


def _qr(url: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(get_adapter().build_totp_svg(url).encode()).decode()


def factor_added(request: HttpRequest, codes: list[str], *, method: str, said: str) -> HttpResponse:
    """Answer with the recovery codes, if there are new ones; the factor was shown just now, and counts."""
    confirmation.succeed(request, method=confirmation.SECOND, factor=method, now=timezone.now())
    messages.success(request, said)
    return codes_page(request, codes) if codes else redirect("settings_security")


@sensitive_variables("codes")
def codes_page(request: HttpRequest, codes: list[str]) -> HttpResponse:
    """Show recovery codes, once."""
    shown = [f"{code[:5]} {code[5:]}" for code in codes]
    context = {"codes": shown, "text": "\n".join(shown), "site": settings.NEXUS_BASE_URL}
    response = render(request, "profiles/settings_codes.html", context)
    response["Cache-Control"] = "no-store"
    return response


@require_http_methods(READ_AND_WRITE)
@fully_confirmed
def app_remove(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    found = factors.of(user)
    if found.app is None:
        raise Http404
    if request.method == "POST":
        factors.remove(user, found.app, by=Actor.from_request(request), now=timezone.now())
        return factor_removed(request, _("Your authenticator app is off."))
    context = {"title": _("Remove the authenticator app"), "is_last": not found.passkeys}
    return render(request, "profiles/settings_factor_remove.html", context)


def factor_removed(request: HttpRequest, said: str) -> HttpResponse:
    """Let nothing count that was shown before, and offer to end all that was made with it (ASVS 5.0, 7.5.1)."""
    confirmation.forget(request)
    messages.success(request, said)
    return redirect("everything")


@never_cache
@require_http_methods(READ_AND_WRITE)
@fully_confirmed
def recovery_codes(request: HttpRequest) -> HttpResponse:
    """Make new recovery codes, which end the old ones."""
    user = signed_in(request)
    found = factors.of(user)
    if not found.is_on:
        messages.info(request, _("Recovery codes stand in for a second factor. Turn one on first."))
        return redirect("settings_security")
    if request.method == "POST":
        return codes_page(request, factors.make_codes(user, by=Actor.from_request(request), now=timezone.now()))
    return render(request, "profiles/settings_codes_new.html", {"factors": found})


@require_POST
def session_end(request: HttpRequest, pk: int) -> HttpResponse:
    device = sessions.end(signed_in(request), pk, by=Actor.from_request(request), now=timezone.now())
    if device is None:
        raise Http404
    messages.success(request, _("%(device)s is signed out.") % {"device": device})
    return redirect("settings_security")


@require_POST
def sessions_end(request: HttpRequest) -> HttpResponse:
    """Sign the person out everywhere but here."""
    by, here = Actor.from_request(request), request.session.session_key
    ended = sessions.end_others(signed_in(request), here, by=by, now=timezone.now())
    if ended:
        said = ngettext("Signed out in %(number)s other browser.", "Signed out in %(number)s other browsers.", ended)
        messages.success(request, said % {"number": ended})
    else:
        messages.info(request, _("You are signed in here only."))
    return redirect("settings_security")
