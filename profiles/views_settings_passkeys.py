"""Settings, Security: passkeys (WebAuthn Level 3). The browser makes and uses them; static/js/passkey.js asks it to."""

import json
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.internal import auth as webauthn
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from profiles import factors
from profiles.access import signed_in
from profiles.events import Actor
from profiles.forms import note_errors
from profiles.forms_security import PasskeyForm, PasskeyNameForm
from profiles.guards import fully_confirmed
from profiles.views_settings_security import READ_AND_WRITE, factor_added, factor_removed


@never_cache
@require_http_methods(READ_AND_WRITE)
@fully_confirmed
def passkey_add(request: HttpRequest) -> HttpResponse:
    user, now = signed_in(request), timezone.now()
    form = PasskeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["name"] or factors.named(factors.of(user).passkeys)
        try:
            credential, by = form.cleaned_data["credential"], Actor.from_request(request)
            codes = factors.add_passkey(user, name, credential, by=by, now=now)
        except ValidationError as error:
            note_errors(form, error)
        else:
            return factor_added(
                request, codes, method="webauthn", said=_("The passkey “%(name)s” was added.") % {"name": name}
            )
    return _add_page(request, form)


def _add_page(request: HttpRequest, form: PasskeyForm) -> HttpResponse:
    user = signed_in(request)
    options: dict[str, Any] = webauthn.begin_registration(user, passwordless=True)
    context = {"form": form, "options": json.dumps(options), "proposed": factors.named(factors.of(user).passkeys)}
    return render(request, "profiles/settings_passkey_add.html", context, status=422 if form.errors else 200)


def _passkey(request: HttpRequest, pk: int) -> Authenticator:
    return get_object_or_404(Authenticator, user=signed_in(request), type=Authenticator.Type.WEBAUTHN, pk=pk)


@require_http_methods(READ_AND_WRITE)
@fully_confirmed
def passkey(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a passkey another name."""
    found = _passkey(request, pk)
    form = PasskeyNameForm(request.POST or None, initial={"name": found.data["name"]})
    if request.method == "POST" and form.is_valid():
        name, by = form.cleaned_data["name"], Actor.from_request(request)
        changed = factors.rename_passkey(signed_in(request), found, name, by=by, now=timezone.now())
        messages.success(request, _("It is “%(name)s” now.") % {"name": name} if changed else _("Nothing was changed."))
        return redirect("settings_security")
    context = {"form": form, "passkey": found, "name": found.data["name"]}
    return render(request, "profiles/settings_passkey.html", context, status=422 if form.errors else 200)


@require_http_methods(READ_AND_WRITE)
@fully_confirmed
def passkey_remove(request: HttpRequest, pk: int) -> HttpResponse:
    user, found = signed_in(request), _passkey(request, pk)
    name = found.data["name"]
    if request.method == "POST":
        factors.remove(user, found, by=Actor.from_request(request), now=timezone.now())
        return factor_removed(request, _("The passkey “%(name)s” was removed.") % {"name": name})
    mine = factors.of(user)
    context = {
        "title": _("Remove “%(name)s”") % {"name": name},
        "is_passkey": True,
        "is_last": not mine.app and len(mine.passkeys) == 1,
    }
    return render(request, "profiles/settings_factor_remove.html", context)
