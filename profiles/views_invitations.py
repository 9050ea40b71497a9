"""Invitations: sending them, for who manages members; accepting one, for whom it is."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from profiles import confirmation, emails, invited
from profiles.access import managed_organization, show_account, signed_in
from profiles.events import Actor
from profiles.forms import note_errors
from profiles.forms_members import InviteForm
from profiles.models import Account, Invitation
from profiles.permissions import Act, Role, may_manage

KEPT = "invitation"


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("secret")
def member_invite(request: HttpRequest) -> HttpResponse:
    account = managed_organization(request)
    how: dict[str, Any] = {"account": account, "manager": Role(account.own_role)}
    if request.method != "POST":
        return _invite_page(request, InviteForm(confirmation.take_form(request, KEPT), **how), account)
    form = InviteForm(request.POST, **how)
    if not form.is_valid():
        return _invite_page(request, form, account, status=422)
    if not confirmation.is_confirmed(request):
        confirmation.keep_form(request, KEPT, request.POST)
        messages.info(request, _("Nobody is invited yet. Press Invite once more."))
        return confirmation.ask(request, next_url=reverse("member_invite"))
    try:
        invitation, secret = Invitation.objects.invite(
            account, **form.cleaned_data, inviter=signed_in(request), by=Actor.from_request(request), now=timezone.now()
        )
    except ValidationError as error:
        note_errors(form, error)
        return _invite_page(request, form, account, status=422)
    _say_sent(request, invitation, emails.invitation(invitation, secret))
    return redirect("members")


def _invite_page(request: HttpRequest, form: InviteForm, account: Account, status: int = 200) -> HttpResponse:
    return render(request, "profiles/member_invite.html", {"form": form, "organization": account}, status=status)


def _say_sent(request: HttpRequest, invitation: Invitation, was_sent: bool) -> None:
    if was_sent:
        messages.success(
            request, _("An invitation is on its way to %(email)s. It is good for 7 days.") % {"email": invitation.email}
        )
    else:
        problem = _("%(email)s is invited, but the mail could not be sent. Send it again in a while.") % {
            "email": invitation.email
        }
        messages.error(request, problem)


def _managed(request: HttpRequest, pk: object) -> tuple[Invitation, Role]:
    """Return an invitation of an organization that the person manages, and their role there; else 404."""
    user = signed_in(request)
    mine = Account.objects.organizations().where(user, Act.MANAGE_MEMBERS)
    found = get_object_or_404(Invitation.objects.filter(account__in=mine).select_related("account"), pk=pk)
    manager = found.account.role_of(user)
    assert manager
    return found, manager


@require_POST
@sensitive_variables("secret")
def invitation_resend(request: HttpRequest, pk: object) -> HttpResponse:
    """Mail a fresh link; the one before it is over."""
    found, manager = _managed(request, pk)
    if not may_manage(manager, Role(found.role)):
        messages.error(request, _("Only an owner invites an owner. Nothing was sent."))
    elif not confirmation.is_confirmed(request):
        messages.info(request, _("Nothing was sent yet. Press Send again once more."))
        return confirmation.ask(request, next_url=reverse("members"))
    else:
        try:
            secret = found.send_again(
                sender=signed_in(request), by=Actor.from_request(request), now=timezone.now()
            )  # fmt: skip
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        else:
            found.refresh_from_db()
            _say_sent(request, found, emails.invitation(found, secret))
    return redirect("members")


@require_POST
def invitation_cancel(request: HttpRequest, pk: object) -> HttpResponse:
    found, manager = _managed(request, pk)
    try:
        cancelled = found.cancel(manager=manager, by=Actor.from_request(request), now=timezone.now())
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        said = _("The invitation of %(email)s is cancelled; its link leads nowhere.") % {"email": found.email}
        messages.success(request, said if cancelled else _("This invitation is no longer open. Nothing was changed."))
    return redirect("members")


@login_not_required
@never_cache
@require_safe
def invitation_open(request: HttpRequest, secret: str) -> HttpResponse:
    """Take the link of the mail, and go on under an address that can be shown to anybody.

    Programs that look at links before people do harm nothing: only the button there, a POST, accepts.
    """
    found = Invitation.objects.with_secret(secret, now=timezone.now())
    if found is None:
        return _over(request)
    invited.remember(request, found)
    return redirect("invitation")


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest) -> HttpResponse:
    """Show who invites to what; a POST of whom it is for accepts."""
    now = timezone.now()
    found = invited.to(request, now=now)
    if found is None:
        return _over(request)
    is_theirs = request.user.is_authenticated and found.is_for(signed_in(request))
    if request.method == "POST" and is_theirs:
        member = found.accept(signed_in(request), by=Actor.from_request(request), now=now)
        if member is None:
            return _over(request)
        invited.forget(request)
        show_account(request, found.account)
        messages.success(request, _("Welcome to %(account)s.") % {"account": found.account})
        return redirect("home")
    context = {"invitation": found, "role": Role(found.role), "is_theirs": is_theirs}
    return render(request, "profiles/invitation.html", context, status=403 if request.method == "POST" else 200)


def _over(request: HttpRequest) -> HttpResponse:
    invited.forget(request)
    return render(request, "profiles/invitation_over.html", status=410)
