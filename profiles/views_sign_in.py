from typing import Any

from allauth.account.app_settings import EmailVerificationMethod
from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from allauth.account.views import password_change, password_set
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from profiles import confirmation, emails
from profiles.access import signed_in
from profiles.forms import CodeForm, PasswordForm
from profiles.models import SignInLink

TOO_MANY = "That was wrong too often. Wait 10 minutes, then try again."


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in_link(request: HttpRequest, secret: str) -> HttpResponse:
    """Show whom the link signs in; only the button, a POST, uses it up."""
    now = timezone.now()
    link = SignInLink.objects.good(secret, now=now)
    if link is None or (request.method == "POST" and not link.use(now=now)):
        return render(request, "account/link_over.html", status=410)
    if request.method != "POST":
        return render(request, "account/link.html", {"link": link})
    if request.user.is_authenticated and request.user.pk != link.user_id:
        request.session.flush()  # whoever was signed in here before leaves nothing to this person
    record_authentication(request, link.user, "link")
    # An operator vouches for the address, so it need not be verified by mail.
    login = Login(user=link.user, email_verification=EmailVerificationMethod.NONE, redirect_url="/")
    response = perform_login(request, login)
    response.status_code = 303
    return response


def _to_confirm(request: HttpRequest, page: str) -> HttpResponse:
    way = urlencode({"next": confirmation.way_back(request)})
    return HttpResponseRedirect(f"{reverse(page)}?{way}", status=303)


@require_safe
def reauthenticate(request: HttpRequest) -> HttpResponse:
    """Lead allauth's own pages to the one confirmation there is."""
    return _to_confirm(request, "confirm")


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest) -> HttpResponse:
    """Ask for the password, or offer a code by mail."""
    user = signed_in(request)
    form = PasswordForm(request.POST if request.method == "POST" else None, user=user)
    if request.method != "POST" or not user.has_usable_password():
        return _confirm_page(request, form, status=200)
    if not confirmation.may_try(request, now=timezone.now()):
        form.add_error(None, TOO_MANY)
        return _confirm_page(request, form, status=429)
    if not form.is_valid():
        confirmation.fail(request, method="password", now=timezone.now())
        return _confirm_page(request, form, status=422)
    confirmation.succeed(request, method="password", now=timezone.now())
    return redirect(confirmation.way_back(request))


def _confirm_page(request: HttpRequest, form: Any, *, status: int) -> HttpResponse:
    context = {
        "form": form,
        "next": confirmation.way_back(request),
        "has_password": signed_in(request).has_usable_password(),
    }
    return render(request, "account/confirm.html", context, status=status)


@require_POST
def confirm_mail(request: HttpRequest) -> HttpResponse:
    """Mail a code to the person."""
    user = signed_in(request)
    if not confirmation.may_mail(request, now=timezone.now()):
        messages.error(request, "Three codes are on their way already. Use the newest, or wait 10 minutes.")
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
            form.add_error("code", "This code is wrong, used, or older than 10 minutes. Ask for a new one.")
            status = 422
    context = {"form": form, "next": confirmation.way_back(request)}
    return render(request, "account/confirm_code.html", context, status=status)


@never_cache
def own_password(request: HttpRequest) -> HttpResponse:
    """Let a person who has confirmed who they are set a password, or change it."""
    if not confirmation.is_confirmed(request):
        return confirmation.ask(request, next_url=request.path)
    page = password_change if signed_in(request).has_usable_password() else password_set
    response: HttpResponse = page(request)
    return response


@require_safe
def no_page(request: HttpRequest) -> HttpResponse:
    """Answer where allauth has a page that Nexus does not offer: more addresses would be more ways in."""
    return redirect("settings")
