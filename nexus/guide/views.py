"""The pages of the guide: for everybody, because whoever reads an error in a log may not be signed in."""

from dataclasses import replace
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from nexus.guide import chapters
from nexus.guide.searching import LONGEST, search
from profiles.access import current_account, signed_in
from profiles.models import Toolkit
from tokens import clients
from tokens.clients import Auth, Client
from tokens.clients.filling import Facts
from tokens.clients.reach import has_public_address
from tokens.clients.stores import stores_named

YOUR_TOKEN = "YOUR_TOKEN"  # noqa: S105
WAYS = {Auth.BROWSER: _("With the browser"), Auth.TOKEN: _("With a token")}


@login_not_required
@require_safe
def guide(request: HttpRequest) -> HttpResponse:
    """Show the contents, or what was found of what was asked for."""
    asked = request.GET.get("q", "").replace("\0", "")[:LONGEST].strip()
    return show(request, "guide/index.html", asked=asked, hits=search(asked))


@login_not_required
@require_safe
def chapter(request: HttpRequest, slug: str) -> HttpResponse:
    found = chapters.named(slug)
    if found is None:
        raise Http404
    more: dict[str, Any] = {"stores": stores_named("nexus-work-n8n", facts_for(request))} if slug == "secrets" else {}
    return show(request, "guide/chapter.html", slug, **more)


@login_not_required
@require_safe
def all_clients(request: HttpRequest) -> HttpResponse:
    return show(request, "guide/clients.html", "clients", kinds=clients.grouped())


@login_not_required
@require_safe
def client(request: HttpRequest, slug: str) -> HttpResponse:
    """Show every way to set one client up, with the address of a toolkit of the person's, or the bare one."""
    found = clients.named(slug)
    if found is None:
        raise Http404
    facts = facts_for(request)
    ways = [(WAYS[auth], auth, found.filled(facts, auth)) for auth in found.auth]
    is_out_of_reach = bool(found.needs_public) and not has_public_address()
    before, after = _beside(found)
    return show(
        request, "guide/client.html", "clients", client=found, ways=ways, is_out_of_reach=is_out_of_reach,
        before=before, after=after,
    )  # fmt: skip


def show(request: HttpRequest, template: str, slug: str = "", status: int = 200, **context: Any) -> HttpResponse:
    """Show a page of the guide with its contents beside it, in the portal or, signed out, by itself."""
    shell = "base.html" if _has_portal(request) else "guide/outside.html"
    here = chapters.chapter(slug) if slug else None
    before, after = chapters.neighbours(slug) if slug else (None, None)
    known = {"shell": shell, "groups": chapters.groups(), "here": here, "before": before, "after": after}
    return render(request, template, known | context, status=status)


def facts_for(request: HttpRequest) -> Facts:
    """Return what set-ups are filled with: a toolkit that the person may use, or the address for all of them."""
    toolkit = _toolkit(request) if _has_portal(request) else None
    return replace(Facts.of(toolkit) if toolkit else Facts.of_any(), token=YOUR_TOKEN)


def _toolkit(request: HttpRequest) -> Toolkit | None:
    usable = Toolkit.objects.usable_by(signed_in(request)).filter(account=current_account(request)).with_counts()
    return next((toolkit for toolkit in usable if toolkit.allowed_count), usable.first())


def _has_portal(request: HttpRequest) -> bool:
    """Return whether a signed-in person has an account that the portal can show."""
    if not request.user.is_authenticated:
        return False
    try:
        return current_account(request) is not None
    except Http404:
        return False


def _beside(found: Client) -> tuple[Client | None, Client | None]:
    order = [None, *clients.every().values(), None]
    place = order.index(found)
    return order[place - 1], order[place + 1]
