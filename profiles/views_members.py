"""The members of an organization, for who manages them."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from profiles import confirmation, holdings
from profiles.access import managed_organization, signed_in
from profiles.events import Actor
from profiles.forms_members import AssignForm, RoleForm, SearchForm
from profiles.holdings import Holding
from profiles.models import Account, Invitation, Member
from profiles.permissions import Act, Role, is_wider, may_manage, roles_with

A_PAGE = 50
KEPT = "member"


@require_safe
def members(request: HttpRequest) -> HttpResponse:
    """List the people of the current organization, and whom it has invited."""
    account, now = managed_organization(request), timezone.now()
    form = SearchForm(request.GET)
    people = Member.objects.filter(account=account).people()
    found = people.matching(form.cleaned_data["q"].strip()) if form.is_valid() else people.none()
    if form.is_valid() and form.cleaned_data["role"]:
        found = found.filter(role=form.cleaned_data["role"])
    page = Paginator(found.by_name().select_related("user"), A_PAGE).get_page(request.GET.get("page"))
    open_ones = Invitation.objects.open().filter(account=account).select_related("invited_by").order_by("-sent_at")
    context = {
        "rows": _rows(account, list(page.object_list), Role(account.own_role), now),
        "invitations": [
            (each, each.state(now), may_manage(Role(account.own_role), Role(each.role))) for each in open_ones
        ],
        "form": form, "page": page, "is_filtered": bool(form.said()), "organization": account,
        "machines": account.members.filter(user__is_machine=True).count(),
    }  # fmt: skip
    return render(request, "profiles/members.html", context, status=200 if form.is_valid() else 422)


def _rows(account: Account, found: list[Member], manager: Role, now: Any) -> list[dict[str, Any]]:
    held = holdings.of_members(account, [member.user_id for member in found], now=now)
    return [
        {
            "member": member,
            "has": (has := held.get(member.user_id, Holding())),
            "active_at": _last_active(member, has),
            "may_manage": may_manage(manager, Role(member.role)),
        }
        for member in found
    ]


def _last_active(member: Member, has: Holding) -> Any:
    """Return when they signed in or something of theirs called, whichever came last."""
    return max((at for at in (member.user.last_login, has.last_used_at) if at), default=None)


def _managed(request: HttpRequest, pk: int) -> tuple[Member, Role]:
    """Return a member of an organization that the person manages, and the person's own role there; else 404."""
    user = signed_in(request)
    member = get_object_or_404(Member.objects.all().managed_by(user).select_related("user", "account"), pk=pk)
    manager = member.account.role_of(user)
    assert manager in roles_with(Act.MANAGE_MEMBERS)
    return member, manager


@require_safe
def member(request: HttpRequest, pk: int) -> HttpResponse:
    found, manager = _managed(request, pk)
    return _member_page(request, found, manager, kept=confirmation.take_form(request, f"{KEPT}-{pk}"))


def _member_page(
    request: HttpRequest, found: Member, manager: Role, *, kept: Any = None, role: Any = None, status: int = 200
) -> HttpResponse:
    assigned = kept if kept is not None and "toolkits" in kept else None
    wanted = kept if kept is not None and "role" in kept else None
    has = holdings.of_members(found.account, [found.user_id], now=timezone.now()).get(found.user_id, Holding())
    context = {
        "member": found, "organization": found.account, "has": has, "active_at": _last_active(found, has),
        "may_manage": may_manage(manager, Role(found.role)), "is_self": found.user_id == signed_in(request).pk,
        "role_form": role or RoleForm(wanted, manager=manager, initial={"role": found.role}),
        "assign_form": AssignForm(assigned, member=found),
    }  # fmt: skip
    return render(request, "profiles/member.html", context, status=status)


@require_POST
def member_role(request: HttpRequest, pk: int) -> HttpResponse:
    """Give another role; a wider one only from somebody who has just confirmed who they are."""
    found, manager = _managed(request, pk)
    form = RoleForm(request.POST, manager=manager)
    if not form.is_valid():
        return _member_page(request, found, manager, role=form, status=422)
    role: Role = form.cleaned_data["role"]
    if is_wider(role, Role(found.role)) and not confirmation.is_confirmed(request):
        return _confirm_first(request, found)
    try:
        changed = found.change_role(role, manager=manager, by=Actor.from_request(request), now=timezone.now())
    except ValidationError as error:
        form.add_error(None, error)
        return _member_page(request, found, manager, role=form, status=422)
    said = (
        _("%(user)s is %(role)s now, from the next call on.") % {"user": found.user, "role": _a(role)}
        if changed
        else _("%(user)s is %(role)s already.") % {"user": found.user, "role": _a(role)}
    )
    messages.success(request, said)
    return redirect("members") if role is Role.OWNER and manager is Role.ADMIN else redirect("member", pk)


def _a(role: Role) -> str:
    named = {
        Role.OWNER: _("an owner"),
        Role.ADMIN: _("an admin"),
        Role.MEMBER: _("a member"),
        Role.END_USER: _("an end user"),
    }
    return named[role]


def _confirm_first(request: HttpRequest, found: Member) -> HttpResponse:
    confirmation.keep_form(request, f"{KEPT}-{found.pk}", request.POST)
    messages.info(request, _("Nothing was changed yet. Save once more."))
    return confirmation.ask(request, next_url=reverse("member", args=[found.pk]))


@require_POST
def member_toolkits(request: HttpRequest, pk: int) -> HttpResponse:
    """Choose what an end user may use; more than before only after a fresh confirmation."""
    found = _managed(request, pk)[0]
    form = AssignForm(request.POST, member=found)
    if found.role != Role.END_USER or not form.is_valid():
        messages.error(request, _("Nothing was changed: toolkits are assigned to end users, from the list."))
        return redirect("member", pk)
    chosen = form.cleaned_data["toolkits"]
    has_more = chosen.exclude(assigned_members=found).exists()
    if has_more and not confirmation.is_confirmed(request):
        return _confirm_first(request, found)
    changed = found.assign(chosen, by=Actor.from_request(request), now=timezone.now())
    messages.success(request, _("Saved; it holds from the next call on.") if changed else _("Nothing was changed."))
    return redirect("member", pk)


@require_http_methods(["GET", "HEAD", "POST"])
def member_remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Say what ends with it; to a POST, end it before the answer is sent."""
    found, manager = _managed(request, pk)
    if not may_manage(manager, Role(found.role)):
        messages.error(request, _("Only an owner removes an owner. Nobody was removed."))
        return redirect("member", pk)
    if found.user_id == signed_in(request).pk:
        return redirect("organization_leave", found.account_id)
    if request.method == "POST":
        try:
            found.remove(manager=manager, by=Actor.from_request(request), now=timezone.now())
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
            return redirect("member", pk)
        messages.success(
            request,
            _("%(user)s is out: every call with what they had gets a 401. They are told by mail.")
            % {"user": found.user},
        )
        return redirect("members")
    has = holdings.of_members(found.account, [found.user_id], now=timezone.now()).get(found.user_id, Holding())
    context = {"member": found, "organization": found.account, "has": has}
    return render(request, "profiles/member_remove.html", context)
