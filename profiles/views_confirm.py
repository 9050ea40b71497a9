"""Confirming who one is: by password, code of an app, recovery code, passkey, or a code by mail."""

import json
from datetime import datetime
from typing import Any

from allauth.mfa.webauthn.internal import auth as webauthn
from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from profiles import confirmation, emails, factors
from profiles.access import signed_in
from profiles.events import Actor
from profiles.forms import CodeForm, PasswordForm
from profiles.forms_security import TOO_MANY, WRONG_CODE, FactorForm, UsedPasskeyForm


def _to_confirm(request: HttpRequest, page: str) -> HttpResponse:
    full = {"full": "1"} if confirmation.wants_full(request) else {}
    way = urlencode({"next": confirmation.way_back(request), **full})
    return HttpResponseRedirect(f"{reverse(page)}?{way}", status=303)


@require_safe
def reauthenticate(request: HttpRequest) -> HttpResponse:
    """Lead allauth's own pages to the one confirmation there is."""
    return _to_confirm(request, "confirm")


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest) -> HttpResponse:
    """Ask for the password, and offer whatever else the person can show."""
    user, now = signed_in(request), timezone.now()
    form = PasswordForm(request.POST if request.method == "POST" else None, user=user)
    if request.method != "POST" or not user.has_usable_password() or confirmation.wants_full(request):
        return _page(request, password=PasswordForm(user=user))
    if not confirmation.may_try(request, now=now):
        return _refused(request, form, "password", now, TOO_MANY)
    if not form.is_valid():
        return _refused(request, form, "password", now)
    confirmation.succeed(request, method="password", now=now)
    return redirect(confirmation.way_back(request))


@sensitive_post_parameters("code")
@never_cache
@require_POST
def confirm_factor(request: HttpRequest) -> HttpResponse:
    """Take a code of the authenticator app, or a recovery code; each once."""
    user, now = signed_in(request), timezone.now()
    form = FactorForm(request.POST)
    if not confirmation.may_try(request, now=now):
        return _refused(request, form, "factor", now, TOO_MANY)
    by = Actor.from_request(request)
    factor = factors.use_code(user, form.cleaned_data["code"], by=by, now=now) if form.is_valid() else None
    if factor is None:
        form.add_error("code", WRONG_CODE)
        return _refused(request, form, "factor", now)
    confirmation.succeed(request, method=confirmation.SECOND, factor=factor.type, now=now)
    return redirect(confirmation.way_back(request))


@never_cache
@require_POST
def confirm_passkey(request: HttpRequest) -> HttpResponse:
    """Take what the browser says a passkey has signed."""
    user, now = signed_in(request), timezone.now()
    form = UsedPasskeyForm(request.POST, user=user)
    if not confirmation.may_try(request, now=now):
        return _refused(request, form, "passkey", now, TOO_MANY)
    if not form.is_valid():
        return _refused(request, form, "passkey", now)
    form.cleaned_data["credential"].record_usage()
    confirmation.succeed(request, method=confirmation.SECOND, factor="webauthn", now=now)
    return redirect(confirmation.way_back(request))


def _refused(request: HttpRequest, form: Form, what: str, now: datetime, too_many: str | Promise = "") -> HttpResponse:
    """Say what is wrong. What came too often is not looked at, and not noted."""
    if too_many:
        form.add_error(None, str(too_many))
        return _page(request, status=429, **{what: form})
    confirmation.fail(request, method=what, now=now)
    return _page(request, status=422, **{what: form})


def _page(request: HttpRequest, *, status: int = 200, **forms: Any) -> HttpResponse:
    """Offer what the person has; where signing in takes a second factor and all of it is asked for, only that."""
    user = signed_in(request)
    found, is_full = factors.of(user), confirmation.wants_full(request)
    context = {
        "password": forms.get("password") or PasswordForm(user=user),
        "factor": forms.get("factor") or FactorForm(auto_id="factor_%s"),
        "passkey": forms.get("passkey"),
        "next": confirmation.way_back(request),
        "is_full": is_full,
        "way_out": reverse("settings_security") if is_full else confirmation.way_back(request),
        "takes_password": user.has_usable_password() and not is_full,
        "takes_mail": not is_full,
        "has_code": bool(found.app or found.codes),
        "options": json.dumps(dict(webauthn.begin_authentication(user))) if found.passkeys else "",
    }
    return render(request, "account/confirm.html", context, status=status)


@require_POST
def confirm_mail(request: HttpRequest) -> HttpResponse:
    """Mail a code to the person."""
    user = signed_in(request)
    if not confirmation.may_mail(request, now=timezone.now()):
        messages.error(request, _("Three codes are on their way already. Use the newest, or wait 10 minutes."))
    else:
        emails.confirmation_code(user, confirmation.new_code(request, now=timezone.now()))
    return _to_confirm(request, "confirm_code")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_code(request: HttpRequest) -> HttpResponse:
    """Ask for the code that was mailed."""
    form = CodeForm(request.POST if request.method == "POST" else None)
    status = 200
    if request.method == "POST":
        now = timezone.now()
        if not confirmation.may_try(request, now=now):
            form.add_error(None, TOO_MANY)
            status = 429
        elif form.is_valid() and confirmation.use_code(request, form.cleaned_data["code"], now=now):
            confirmation.succeed(request, method="code", now=now)
            return redirect(confirmation.way_back(request))
        else:
            confirmation.fail(request, method="code", now=now)
            form.add_error("code", _("This code is wrong, used, or older than 10 minutes. Ask for a new one."))
            status = 422
    context = {"form": form, "next": confirmation.way_back(request)}
    return render(request, "account/confirm_code.html", context, status=status)
