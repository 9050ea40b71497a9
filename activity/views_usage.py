"""The pages of how a token or a toolkit was used, and what is done there about it."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from activity import granted, usage
from activity.forms_usage import TightenForm
from activity.granted import Granted, Tightening
from activity.lives import Life
from activity.models import Finding
from activity.unexpected import strip
from profiles.access import signed_in
from profiles.events import Actor
from profiles.models import Toolkit
from profiles.permissions import Act
from tokens import expiry
from tokens.models import DelegatedToken
from tokens.views import Shown

TOKENS_SHOWN = 20
READ_AND_WRITE = ["GET", "HEAD", "POST"]


def _visible(request: HttpRequest, public_id: str) -> DelegatedToken:
    visible = DelegatedToken.objects.visible_to(signed_in(request)).select_related("owner", "toolkit", "account")
    return get_object_or_404(visible, public_id=public_id)


@require_safe
def token_activity(request: HttpRequest, public_id: str) -> HttpResponse:
    """Show how a token was used: since when, from where, by what, and of what it may do."""
    user, now = signed_in(request), timezone.now()
    token = _visible(request, public_id)
    used, shown = usage.of_token(token, now), Shown.at(token, now)
    context = {
        "token": token,
        "shown": shown,
        "ends": expiry.describe(token.revoked_at or token.ends_at, user.zone, now),
        "life": Life.of(token, used.first_at, used.last_at, now),
        "used": used,
        "granted": Granted.of_token(token, used.tools),
        "findings": strip.findings_of(token, user, now=now),
        "may_replace": token.owner_id == user.pk and token.may_be_replaced(now),
        "calls": f"/activity/?token={token.public_id}",
        "tighten": "" if shown.is_over else reverse("token_tighten", args=[token.public_id]),
        "limit": usage.SHOWN,
    }
    return render(request, "activity/token.html", context)


@require_safe
def toolkit_activity(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Show how a toolkit was used, as far as the person may know, and the tokens that use it."""
    user, now = signed_in(request), timezone.now()
    toolkit = get_object_or_404(Toolkit.objects.open_to(user).select_related("account"), pk=pk)
    used = usage.of_toolkit(toolkit, user, now)
    tokens = DelegatedToken.objects.of_account(toolkit.account, user).filter(toolkit=toolkit).living(now)
    newest = tokens.select_related("owner").order_by("-issued_at", "-id")[: TOKENS_SHOWN + 1]
    context = {
        "toolkit": toolkit,
        "used": used,
        "granted": Granted.of_toolkit(toolkit, used.tools),
        "tokens": [Shown.at(token, now) for token in newest],
        "shown_tokens": TOKENS_SHOWN,
        "sees_all": toolkit.account.lets(user, Act.SEE_ACTIVITY),
        "may_manage": toolkit.account.lets(user, Act.MANAGE_TOOLKITS),
        "calls": f"/activity/?range=30d&toolkit={toolkit.alias}",
        "limit": usage.SHOWN,
    }
    return render(request, "activity/toolkit.html", context)


@require_http_methods(READ_AND_WRITE)
def tighten_token(request: HttpRequest, public_id: str) -> HttpResponse:
    """Show what fewer tools would have refused; to a POST, keep the token to them."""
    token, now = _visible(request, public_id), timezone.now()
    shown = Shown.at(token, now)
    found = Granted.of_token(token, granted.tools_used(token, now))
    form = TightenForm(request, found)
    page = reverse("token_activity", args=[token.public_id])
    if form.is_valid() and not form.only_looks:
        if not shown.is_over and token.keep_to_tools(form.kept, by=Actor.from_request(request), now=now):
            messages.success(request, _token_tightened(token.name, len(form.kept)))
        else:
            text = _("Nothing was changed: “%(name)s” has ended, or is kept to these already.")
            messages.info(request, text % {"name": token.name})
        return redirect(page)
    tightening = Tightening.to(found, form.kept, ends_the_rest=token.tools is None)
    context = {"token": token, "is_over": shown.is_over, "form": form, "tightening": tightening, "page": page}
    return render(request, "activity/tighten_token.html", context, status=422 if form.errors else 200)


@require_http_methods(READ_AND_WRITE)
def tighten_toolkit(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Show what fewer tools would have refused to all; to a POST, allow them no longer."""
    toolkit = get_object_or_404(Toolkit.objects.managed_by(signed_in(request)).select_related("account"), pk=pk)
    now = timezone.now()
    found = Granted.of_toolkit(toolkit, granted.tools_used_of(toolkit, now))
    form = TightenForm(request, found)
    page = reverse("toolkit_activity", args=[toolkit.pk])
    tightening = Tightening.to(found, form.kept, ends_the_rest=False)
    if form.is_valid() and not form.only_looks:
        if granted.tighten_toolkit(toolkit, tightening.dropped, by=Actor.from_request(request), now=now):
            messages.success(request, _toolkit_tightened(str(toolkit), len(form.kept)))
        else:
            text = _("Nothing was changed: “%(name)s” allows just these already.")
            messages.info(request, text % {"name": toolkit})
        return redirect(page)
    context = {"toolkit": toolkit, "form": form, "tightening": tightening, "page": page}
    return render(request, "activity/tighten_toolkit.html", context, status=422 if form.errors else 200)


@require_POST
def accept(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Learn that what was found is how the token is used."""
    user = signed_in(request)
    finding = get_object_or_404(Finding.objects.visible_to(user), pk=pk)
    token = get_object_or_404(DelegatedToken.objects.select_related("account"), public_id=finding.token_public_id)
    if finding.accept(token, by=Actor.from_request(request), now=timezone.now()):
        text = _("Noted: this is how “%(name)s” is used. You are not told of it again.")
        messages.success(request, text % {"name": token.name})
    else:
        messages.info(request, _("This was answered already."))
    wanted = request.POST.get("next", "")
    is_ours = wanted.startswith("/") and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return HttpResponseRedirect(wanted if is_ours else reverse("token_activity", args=[token.public_id]))


def _token_tightened(name: str, number: int) -> str:
    text = ngettext(
        "“%(name)s” is kept to %(number)s tool: others are refused from now on.",
        "“%(name)s” is kept to %(number)s tools: others are refused from now on.",
        number,
    )
    return text % {"name": name, "number": number}


def _toolkit_tightened(name: str, number: int) -> str:
    text = ngettext(
        "“%(name)s” allows %(number)s tool: others are refused from now on.",
        "“%(name)s” allows %(number)s tools: others are refused from now on.",
        number,
    )
    return text % {"name": name, "number": number}
