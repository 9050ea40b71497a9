from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from profiles.access import current_account, managed_account, signed_in
from profiles.definitions import name_in
from profiles.events import Actor
from profiles.forms import ServerForm, ServerSearchForm, ServerSettingsForm, note_errors
from profiles.listing import list_again, probe
from profiles.models import Account, Server, Tool, Toolkit
from profiles.permissions import Act
from profiles.upstream import stdio_host
from profiles.upstream.errors import CredentialRefused, UpstreamError


@require_safe
def servers(request: HttpRequest) -> HttpResponse:
    account, form = current_account(request), ServerSearchForm(request.GET)
    text = form.cleaned_data["q"] if form.is_valid() else ""
    found = list(Server.objects.visible_in(account).matching(text).with_counts().order_by("name"))
    context = {
        "form": form,
        "is_filtered": bool(text),
        "own": [server for server in found if server.account_id],
        "catalog": [server for server in found if not server.account_id],
        "may_manage": account.lets(signed_in(request), Act.MANAGE_TOOLKITS),
    }
    return render(request, "profiles/servers.html", context)


def _visible(request: HttpRequest, pk: Any) -> Server:
    return get_object_or_404(Server.objects.visible_in(current_account(request)), pk=pk)


def may_change(request: HttpRequest, server: Server) -> bool:
    """Return True for who manages the server's account; a server of the catalog is changed by staff."""
    if server.account is None:
        return signed_in(request).is_staff
    return server.account.lets(signed_in(request), Act.MANAGE_TOOLKITS)


def _toolkits_with(server: Server, account: Account) -> list[Toolkit]:
    return list(Toolkit.objects.living().filter(account=account, servers=server))


def _confinement_warning(server: Server) -> str:
    """Return what to know of a stdio server on a machine that cannot confine it."""
    found = stdio_host.status(settings.NEXUS_STDIO_SOCKET) if server.transport == Server.Transport.STDIO else None
    return found.warning if found else ""


@require_safe
def server(request: HttpRequest, pk: Any) -> HttpResponse:
    found = _visible(request, pk)
    account = current_account(request)
    context = {
        "server": found,
        "tools": Tool.objects.listed().filter(server=found),
        "toolkits": _toolkits_with(found, account),
        "may_change": may_change(request, found),
        "unconfined": _confinement_warning(found),
        "may_list": may_change(request, found) or account.lets(signed_in(request), Act.MANAGE_TOOLKITS),
    }
    return render(request, "profiles/server.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def server_add(request: HttpRequest) -> HttpResponse:
    """Look at the server first, show what it offers, and save it only at the second press."""
    account = managed_account(request)
    form = ServerForm(request.POST or None)
    tools: list[Tool] = []
    wants_sign_in = False
    if request.method == "POST" and form.is_valid():
        try:
            found = probe(signed_in(request), form.cleaned_data["url"], form.cleaned_data["name"], now=timezone.now())
            wants_sign_in = isinstance(found, CredentialRefused)
            if request.POST.get("save") == ("unseen" if wants_sign_in else "1"):
                return _save(request, account, form, found)
            if not isinstance(found, CredentialRefused):
                tools = [Tool(name=name_in(raw), definition=raw.decode()) for raw in found]
        except ValidationError as error:
            note_errors(form, error)
        except UpstreamError as error:
            form.add_error("url", str(error))
    has_looked = bool(form.is_bound and not form.errors and not wants_sign_in)
    context = {"form": form, "tools": tools, "has_looked": has_looked, "wants_sign_in": wants_sign_in}
    return render(request, "profiles/server_add.html", context, status=422 if form.errors else 200)


def _save(
    request: HttpRequest, account: Account, form: ServerForm, found: list[bytes] | CredentialRefused
) -> HttpResponse:
    """Save the server; of one that shows its tools only to who signs in, ask next how that is done."""
    refusal = found if isinstance(found, CredentialRefused) else None
    definitions = [] if isinstance(found, CredentialRefused) else found
    by = Actor.from_request(request)
    added = Server.objects.add(account, **form.cleaned_data, tools=definitions, by=by, now=timezone.now())
    if refusal is None:
        messages.success(
            request, _("The server “%(server)s” is there. Add it to a toolkit to use its tools.") % {"server": added}
        )
        return redirect("server", added.pk)
    kinds = Server.Authentication
    kind = kinds.OAUTH if "resource_metadata" in refusal.challenge else kinds.BEARER
    messages.success(
        request, _("The server “%(server)s” is there. Now choose how Nexus signs in at it.") % {"server": added}
    )
    return redirect(f"{reverse('server_sign_in', args=[added.pk])}?authentication={kind}")


@require_POST
def server_list(request: HttpRequest, pk: Any) -> HttpResponse:
    """List the server's tools again."""
    found = _visible(request, pk)
    managed_account(request)
    failure = list_again(found, now=timezone.now(), account=current_account(request), user=signed_in(request))
    if failure:
        messages.error(request, _("%(problem)s What it listed before is still shown.") % {"problem": failure})
    else:
        messages.success(
            request,
            _("“%(server)s” listed %(number)s tools just now.")
            % {"server": found, "number": Tool.objects.listed().filter(server=found).count()},
        )
    return redirect("server", found.pk)


@require_http_methods(["GET", "HEAD", "POST"])
def server_edit(request: HttpRequest, pk: Any) -> HttpResponse:
    found = get_object_or_404(Server.objects.living().filter(account=managed_account(request)), pk=pk)
    initial = {name: getattr(found, name) for name in ServerSettingsForm.base_fields}
    form = ServerSettingsForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        changed = found.change(tools=None, by=Actor.from_request(request), now=timezone.now(), **form.cleaned_data)
        messages.success(request, _("Saved.") if changed else _("Nothing was different, so nothing was changed."))
        return redirect("server", found.pk)
    context = {"form": form, "server": found}
    return render(request, "profiles/server_edit.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def server_remove(request: HttpRequest, pk: Any) -> HttpResponse:
    found = get_object_or_404(Server.objects.living().filter(account=managed_account(request)), pk=pk)
    if request.method == "POST":
        found.remove(by=Actor.from_request(request), now=timezone.now())
        messages.success(
            request, _("The server “%(server)s” is removed; its tools stop at the next call.") % {"server": found}
        )
        return redirect("servers")
    context = {"server": found, "toolkits": _toolkits_with(found, current_account(request))}
    return render(request, "profiles/server_remove.html", context)
