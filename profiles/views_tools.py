"""The tools of a toolkit: which are allowed, what clients read of them, and what their servers changed."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from profiles.events import Actor
from profiles.forms import ToolWordsForm
from profiles.models import Server, Toolkit, ToolkitTool
from profiles.models.entries import Choice
from profiles.views_toolkits import READ_AND_WRITE, back_to, managed_toolkit


@require_POST
def toolkit_tools(request: HttpRequest, pk: Any, server_pk: Any) -> HttpResponse:
    """Allow exactly what is ticked of one server."""
    found = managed_toolkit(request, pk)
    server = get_object_or_404(Server.objects.living().filter(places__toolkit=found), pk=server_pk)
    choice = Choice(
        allowed=_numbers(request, "tool"),
        read_only=_numbers(request, "read_only") if "marks" in request.POST else None,
        offers_resources="offers_resources" in request.POST,
        offers_prompts="offers_prompts" in request.POST,
    )
    if found.choose(server, choice, by=Actor.from_request(request), now=timezone.now()):
        messages.success(
            request,
            _("Saved what the toolkit allows of “%(server)s”. It holds from the next call on.") % {"server": server},
        )
    else:
        messages.info(
            request, _("Nothing changed: “%(server)s” offers here what it offered before.") % {"server": server}
        )
    return back_to(found, server)


def _numbers(request: HttpRequest, name: str) -> frozenset[int]:
    return frozenset(int(text) for text in request.POST.getlist(name) if _is_number(text))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


@require_http_methods(READ_AND_WRITE)
def toolkit_tool(request: HttpRequest, pk: Any, entry_pk: int) -> HttpResponse:
    """Say to clients something else of a tool than its server does."""
    found = managed_toolkit(request, pk)
    entry = get_object_or_404(_entries(found), pk=entry_pk)
    initial = {"title": entry.title_override, "description": entry.description_override}
    form = ToolWordsForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        changed = found.describe(entry, **form.cleaned_data, by=Actor.from_request(request), now=timezone.now())
        messages.success(request, _("Saved.") if changed else _("Nothing was different, so nothing was changed."))
        return back_to(found, entry.tool.server)
    context = {"form": form, "toolkit": found, "entry": entry}
    return render(request, "profiles/toolkit_tool.html", context, status=422 if form.errors else 200)


def _entries(found: Toolkit) -> Any:
    return ToolkitTool.objects.filter(toolkit=found).select_related("tool__server")


@require_POST
def toolkit_approve(request: HttpRequest, pk: Any) -> HttpResponse:
    """Approve changed tools, each as it was shown: `tool` is the entry's id and the digest, with a colon between."""
    found = managed_toolkit(request, pk)
    pairs = (text.partition(":") for text in request.POST.getlist("tool"))
    seen = {int(number): digest for number, _, digest in pairs if _is_number(number)}
    approved = found.approve(seen, by=Actor.from_request(request), now=timezone.now())
    if len(approved) == len(seen):
        messages.success(
            request, _("Approved: %(tools)s. It holds from the next call on.") % {"tools": _named(approved)}
        )
    else:
        messages.warning(
            request,
            _("Approved: %(tools)s. The rest is not as it was when you looked: look again.")
            % {"tools": _named(approved)},
        )
    return redirect("toolkit", found.pk)


def _named(names: list[str]) -> str:
    if len(names) <= 3:
        return ", ".join(names) or _("nothing")
    return _("%(names)s and %(number)s more") % {"names": ", ".join(names[:3]), "number": len(names) - 3}
