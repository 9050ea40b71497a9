"""A person's accounts: which there are, which one is shown, and an organization's own page."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from profiles import confirmation, holdings
from profiles.access import current_account, organization_with, own_accounts, show_account, signed_in
from profiles.events import Actor
from profiles.forms import note_errors
from profiles.forms_members import HandOverForm, NameToConfirmForm, OrganizationForm
from profiles.holdings import Holding
from profiles.models import Account, Member
from profiles.models.members import place_of
from profiles.permissions import Act, Role, roles_with

READ_AND_WRITE = ["GET", "HEAD", "POST"]


@require_safe
def organizations(request: HttpRequest) -> HttpResponse:
    """List the accounts that the person is a member of."""
    manages = roles_with(Act.MANAGE_ACCOUNT)
    rows = [(account, account.own_role in manages) for account in own_accounts(request)]
    return render(request, "profiles/organizations.html", {"rows": rows, "shown": current_account(request)})


@require_POST
def account_show(request: HttpRequest) -> HttpResponse:
    """Show another of the person's accounts, from now on."""
    chosen = request.POST.get("account", "")
    account = next((account for account in own_accounts(request) if str(account.pk) == chosen), None)
    if account is None:
        raise Http404
    show_account(request, account)
    return redirect("home")


@require_http_methods(READ_AND_WRITE)
def organization_create(request: HttpRequest) -> HttpResponse:
    form = OrganizationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            account = Account.objects.open_organization(
                form.cleaned_data["name"], signed_in(request), by=Actor.from_request(request), now=timezone.now()
            )
        except ValidationError as error:
            note_errors(form, error)
        else:
            show_account(request, account)
            messages.success(
                request, _("“%(account)s” is there, and you own it. Now invite people.") % {"account": account}
            )
            return redirect("members")
    return render(request, "profiles/organization_create.html", {"form": form}, status=422 if form.errors else 200)


@require_http_methods(READ_AND_WRITE)
def organization(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Show what can be set of an organization; a POST names it."""
    account = organization_with(request, pk, Act.MANAGE_ACCOUNT)
    form = OrganizationForm(request.POST or None, initial={"name": account.name})
    if request.method == "POST" and form.is_valid():
        changed = account.rename(form.cleaned_data["name"], by=Actor.from_request(request), now=timezone.now())
        messages.success(request, _("Saved.") if changed else _("Nothing was changed."))
        return redirect("organization", pk)
    people = Member.objects.filter(account=account).people()
    context = {
        "organization": account, "form": form, "people": people.count(),
        "owners": people.filter(role=Role.OWNER).by_name().select_related("user"),
        "is_shown": current_account(request).pk == account.pk, "is_owner": account.own_role == Role.OWNER,
    }  # fmt: skip
    return render(request, "profiles/organization.html", context, status=422 if form.errors else 200)


@require_http_methods(READ_AND_WRITE)
def organization_leave(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Say what ends with it; to a POST, take the person out, unless nobody else owns it."""
    user, now = signed_in(request), timezone.now()
    account = organization_with(request, pk, Act.USE_TOOLKITS, any_reach=True)
    if request.method == "POST":
        try:
            place_of(user, account).remove(by=Actor.from_request(request), now=now)
        except ValidationError as error:
            messages.error(
                request,
                _("You are still a member of %(account)s. %(problem)s")
                % {"account": account, "problem": " ".join(error.messages)},
            )
            return redirect("organization_leave", pk)
        messages.success(request, _("You have left %(account)s. What you had there has ended.") % {"account": account})
        return redirect("organizations")
    has = holdings.of_members(account, [user.pk], now=now).get(user.pk, Holding())
    others = account.members.filter(role=Role.OWNER, user__is_active=True).exclude(user=user)
    is_last = account.own_role == Role.OWNER and not others.exists()
    context = {"organization": account, "has": has, "is_last_owner": is_last}
    return render(request, "profiles/organization_leave.html", context)


@require_http_methods(READ_AND_WRITE)
def organization_hand_over(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Make another member the owner; only from an owner who has just confirmed who they are."""
    account, user = organization_with(request, pk, Act.MANAGE_OWNERS), signed_in(request)
    others = Member.objects.filter(account=account, user__is_active=True).people().exclude(user=user)
    others = others.exclude(role=Role.OWNER).by_name().select_related("user", "account")
    form = HandOverForm(request.POST or confirmation.take_form(request, f"hand-over-{pk}"), candidates=others)
    if request.method == "POST" and form.is_valid():
        if not confirmation.is_confirmed(request):
            confirmation.keep_form(request, f"hand-over-{pk}", request.POST)
            messages.info(request, _("Nothing was changed yet. Press Hand over once more."))
            return confirmation.ask(request, next_url=reverse("organization_hand_over", args=[pk]))
        to: Member = form.cleaned_data["to"]
        try:
            account.hand_over(place_of(user, account), to, by=Actor.from_request(request), now=timezone.now())
        except ValidationError as error:
            note_errors(form, error)
        else:
            messages.success(
                request,
                _("%(user)s owns %(account)s now, and you are an admin.") % {"user": to.user, "account": account},
            )
            return redirect("organization", pk)
    context = {"organization": account, "form": form, "others": others.exists()}
    return render(request, "profiles/organization_hand_over.html", context, status=_status(request, form))


@require_http_methods(READ_AND_WRITE)
def organization_delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Say what ends with it; to a POST of an owner who has just confirmed who they are, end all of it."""
    account = organization_with(request, pk, Act.DELETE_ACCOUNT)
    form = NameToConfirmForm(request.POST or None, name=account.name)
    if request.method == "POST" and form.is_valid():
        if not confirmation.is_confirmed(request):
            messages.info(request, _("“%(account)s” is still there. Type its name once more.") % {"account": account})
            return confirmation.ask(request, next_url=reverse("organization_delete", args=[pk]))
        by, now = Actor.from_request(request), timezone.now()
        account.delete_for_good(manager=account.role_of(signed_in(request)), by=by, now=now)
        messages.success(
            request, _("“%(account)s” is deleted, and all that called in its name has ended.") % {"account": account}
        )
        return redirect("organizations")
    context = {"organization": account, "form": form, **_impact(account)}
    return render(request, "profiles/organization_delete.html", context, status=_status(request, form))


def _impact(account: Account) -> dict[str, Any]:
    return {
        "has": holdings.of_account(account, now=timezone.now()),
        "people": Member.objects.filter(account=account).people().count(),
        "toolkits": account.toolkits.filter(deleted_at=None).count(),
        "servers": account.servers.filter(removed_at=None).count(),
    }


def _status(request: HttpRequest, form: Any) -> int:
    return 422 if request.method == "POST" and form.errors else 200
