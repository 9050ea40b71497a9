"""Settings, Profile: the address that a person signs in with."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from profiles import addresses, confirmation
from profiles.access import signed_in
from profiles.forms import CodeForm
from profiles.forms_security import TOO_MANY, EmailForm
from profiles.guards import fully_confirmed
from profiles.views_settings_security import READ_AND_WRITE


@require_http_methods(READ_AND_WRITE)
@fully_confirmed
def email(request: HttpRequest) -> HttpResponse:
    """Ask for a new address, and mail a code to it."""
    user, now = signed_in(request), timezone.now()
    form = EmailForm(request.POST or None, user=user)
    status = 200
    if request.method == "POST" and form.is_valid():
        if addresses.may_mail(user, now=now):
            addresses.propose(request, form.cleaned_data["email"], now=now)
            return redirect("settings_email_code")
        form.add_error(None, _("Five codes are on their way already. Wait 10 minutes, then try again."))
        status = 429
    elif form.errors:
        status = 422
    return render(request, "profiles/settings_email.html", {"form": form}, status=status)


@never_cache
@require_http_methods(READ_AND_WRITE)
@fully_confirmed
def email_code(request: HttpRequest) -> HttpResponse:
    """Ask for the code that was mailed to the new address."""
    user, now = signed_in(request), timezone.now()
    address = addresses.proposed(request, now=now)
    if address is None:
        messages.info(request, _("No code is awaited. Write the new address first."))
        return redirect("settings_email")
    form = CodeForm(request.POST or None)
    status = 200
    if request.method == "POST":
        if not addresses.may_try(user, now=now):
            form.add_error(None, TOO_MANY)
            status = 429
        elif form.is_valid() and addresses.confirm(request, form.cleaned_data["code"], now=now):
            confirmation.forget(request)
            messages.success(
                request, _("Your address is %(address)s now. We have told the old one.") % {"address": address}
            )
            return redirect("everything")
        else:
            form.add_error("code", _("This code is wrong, used, or older than 10 minutes. Ask for a new one."))
            status = 422
    return render(request, "profiles/settings_email_code.html", {"form": form, "address": address}, status=status)
