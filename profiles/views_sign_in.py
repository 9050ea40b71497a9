from allauth.account.app_settings import EmailVerificationMethod
from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from allauth.account.views import password_change, password_set
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from profiles import addresses
from profiles.access import signed_in
from profiles.guards import fully_confirmed
from profiles.models import SignInLink


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
    addresses.vouch(link.user)  # as the operator does who made the link: it need not be verified by mail
    login = Login(user=link.user, email_verification=EmailVerificationMethod.NONE, redirect_url="/")
    response = perform_login(request, login)
    response.status_code = 303
    return response


@never_cache
@fully_confirmed
@transaction.atomic
def own_password(request: HttpRequest) -> HttpResponse:
    """Let a person who has confirmed who they are set a password, or change it; in one transaction with its event."""
    page = password_change if signed_in(request).has_usable_password() else password_set
    response: HttpResponse = page(request)
    return response


@require_safe
def no_page(request: HttpRequest) -> HttpResponse:
    """Answer where allauth has a page that Nexus does not offer: more addresses would be more ways in."""
    return redirect("settings")


@require_safe
def no_security_page(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Answer where allauth has pages for factors and sessions: those of Nexus ask first who it is."""
    return redirect("settings_security")
