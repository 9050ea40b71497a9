from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from profiles import names
from profiles.access import current_account, managed_account, signed_in
from profiles.events import Actor
from profiles.forms import AddServerToToolkitForm, DeleteToolkitForm, ToolkitForm, ToolkitSettingsForm, note_errors
from profiles.listing import list_again
from profiles.models import Server, Toolkit, ToolkitTool
from profiles.models.copying import copy_toolkit
from profiles.permissions import Act

READ_AND_WRITE = ["GET", "HEAD", "POST"]
SHOWN_CHANGES = 20


@require_safe
def toolkits(request: HttpRequest) -> HttpResponse:
    """Show the toolkits in use or, where the address says so, the archived ones."""
    account, user = current_account(request), signed_in(request)
    mine = list(Toolkit.objects.open_to(user).filter(account=account).with_counts())
    archived = [toolkit for toolkit in mine if toolkit.archived_at]
    shows_archived = request.GET.get("state") == "archived"
    context = {
        "toolkits": archived if shows_archived else [toolkit for toolkit in mine if not toolkit.archived_at],
        "shows_archived": shows_archived,
        "archived_count": len(archived),
        "may_manage": account.lets(user, Act.MANAGE_TOOLKITS),
    }
    return render(request, "profiles/toolkits.html", context)


@require_http_methods(READ_AND_WRITE)
def toolkit_create(request: HttpRequest) -> HttpResponse:
    account = managed_account(request)
    form = ToolkitForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        by, now = Actor.from_request(request), timezone.now()
        try:
            toolkit = Toolkit.objects.create_toolkit(account, **form.cleaned_data, by=by, now=now)
        except ValidationError as error:
            note_errors(form, error)
        else:
            messages.success(
                request,
                _("The toolkit “%(toolkit)s” is there. Now add servers, and choose what it allows.")
                % {"toolkit": toolkit},
            )
            return redirect("toolkit", toolkit.pk)
    return render(request, "profiles/toolkit_create.html", {"form": form}, status=422 if form.errors else 200)


def _seen(request: HttpRequest, pk: Any) -> Toolkit:
    return get_object_or_404(Toolkit.objects.open_to(signed_in(request)).select_related("account"), pk=pk)


def managed_toolkit(request: HttpRequest, pk: Any) -> Toolkit:
    return get_object_or_404(Toolkit.objects.managed_by(signed_in(request)).select_related("account"), pk=pk)


@require_safe
def toolkit(request: HttpRequest, pk: Any) -> HttpResponse:
    """Show the toolkit; who manages it chooses its tools here."""
    found = _seen(request, pk)
    places = found.places.filter(server__removed_at=None).select_related("server")
    entries = _entries_of(found)
    changed = [entry for entry in entries if entry.has_changed]
    context = {
        "toolkit": found,
        "groups": [
            (place, _chosen(entry for entry in entries if entry.tool.server_id == place.server_id)) for place in places
        ],
        "changed": changed[:SHOWN_CHANGES],
        "changed_count": len(changed),
        "unmarked_count": sum(entry.lacks_mark for entry in entries),
        "gave_way": _gave_way(found, entries),
        "may_manage": found.account.lets(signed_in(request), Act.MANAGE_TOOLKITS),
        "former_aliases": found.former_aliases.values_list("alias", flat=True),
        "add_form": AddServerToToolkitForm(toolkit=found, account=found.account),
    }
    return render(request, "profiles/toolkit.html", context)


def _entries_of(found: Toolkit) -> list[ToolkitTool]:
    entries = list(ToolkitTool.objects.offered().filter(toolkit=found).select_related("tool").order_by("tool_id"))
    for entry in entries:
        entry.toolkit = found
    return entries


def _chosen(entries: Iterable[ToolkitTool]) -> dict[str, Any]:
    rows = list(entries)
    return {
        "entries": rows,
        "allowed": sum(entry.is_allowed for entry in rows),
        "visible": sum(entry.is_visible for entry in rows),
        "new": sum(entry.is_new for entry in rows),
    }


def _gave_way(found: Toolkit, entries: list[ToolkitTool]) -> set[int]:
    """Return the entries, by id, that show a prefix because another tool has the name they would go by."""
    if found.naming != Toolkit.Naming.PLAIN:
        return set()
    taken = {*names.RESERVED, *(entry.exposed_name for entry in entries)}
    return {entry.pk for entry in entries if entry.exposed_name != entry.tool.name and entry.tool.name in taken}


@require_http_methods(READ_AND_WRITE)
def toolkit_edit(request: HttpRequest, pk: Any) -> HttpResponse:
    found = managed_toolkit(request, pk)
    initial = {name: getattr(found, name) for name in ToolkitSettingsForm.base_fields}
    form = ToolkitSettingsForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            changed = found.change(by=Actor.from_request(request), now=timezone.now(), **form.cleaned_data)
        except ValidationError as error:
            note_errors(form, error)
        else:
            messages.success(request, _("Saved.") if changed else _("Nothing was different, so nothing was changed."))
            return redirect("toolkit", found.pk)
    context = {"form": form, "toolkit": get_object_or_404(Toolkit, pk=pk)}
    return render(request, "profiles/toolkit_edit.html", context, status=422 if form.errors else 200)


@require_http_methods(READ_AND_WRITE)
def toolkit_copy(request: HttpRequest, pk: Any) -> HttpResponse:
    found = managed_toolkit(request, pk)
    initial = {
        "name": _("%(name)s copy") % {"name": found.name[:75]},
        "alias": f"{found.alias[:35]}-copy",
        "description": found.description,
    }
    form = ToolkitForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            copy, altered = copy_toolkit(
                found, **form.cleaned_data, by=Actor.from_request(request), now=timezone.now()
            )  # fmt: skip
        except ValidationError as error:
            note_errors(form, error)
        else:
            messages.success(
                request,
                _("“%(copy)s” offers what “%(toolkit)s” does.%(more)s")
                % {"copy": copy, "toolkit": found, "more": _left_off(altered)},
            )
            return redirect("toolkit", copy.pk)
    context = {"form": form, "toolkit": found}
    return render(request, "profiles/toolkit_copy.html", context, status=422 if form.errors else 200)


def _left_off(altered: int) -> str:
    if not altered:
        return ""
    said = ngettext(
        "Off are %(number)s tool whose change nobody has approved there.",
        "Off are %(number)s tools whose change nobody has approved there.",
        altered,
    )
    return " " + said % {"number": altered}


@require_http_methods(READ_AND_WRITE)
def toolkit_delete(request: HttpRequest, pk: Any) -> HttpResponse:
    found = managed_toolkit(request, pk)
    form = DeleteToolkitForm(request.POST or None, toolkit=found)
    if request.method == "POST" and form.is_valid():
        if found.delete_for_good(by=Actor.from_request(request), now=timezone.now()):
            messages.success(
                request, _("The toolkit “%(toolkit)s” is deleted, and its tokens ended with it.") % {"toolkit": found}
            )
        else:
            messages.error(
                request,
                _("The toolkit “%(toolkit)s” is the default one of its account. It stays.") % {"toolkit": found},
            )
        return redirect("toolkits")
    context = {"form": form, "toolkit": found}
    return render(request, "profiles/toolkit_delete.html", context, status=422 if form.errors else 200)


@require_POST
def toolkit_server_add(request: HttpRequest, pk: Any) -> HttpResponse:
    """Add a server with nothing allowed; the person chooses next."""
    found = managed_toolkit(request, pk)
    form = AddServerToToolkitForm(request.POST, toolkit=found, account=found.account)
    if not form.is_valid():
        messages.error(request, _("This server cannot be added: it is in the toolkit already, or it was removed."))
        return redirect("toolkit", found.pk)
    server, now = form.cleaned_data["server"], timezone.now()
    failure = ""
    if server.listed_at is None:
        failure = list_again(server, now=now, account=found.account, user=signed_in(request))
    try:
        found.add_server(**form.cleaned_data, allowed=[], by=Actor.from_request(request), now=now)
    except ValidationError as refusal:
        messages.error(request, " ".join(refusal.messages))
        return redirect("toolkit", found.pk)
    if failure:
        messages.warning(
            request,
            _("“%(server)s” is in the toolkit, but its tools could not be listed. %(problem)s")
            % {"server": server, "problem": failure},
        )
    else:
        messages.success(
            request, _("“%(server)s” is in the toolkit. Choose which of its tools are allowed.") % {"server": server}
        )
    return back_to(found, server)


@require_POST
def toolkit_server_remove(request: HttpRequest, pk: Any, server_pk: Any) -> HttpResponse:
    found = managed_toolkit(request, pk)
    server = get_object_or_404(found.servers, pk=server_pk)
    found.remove_server(server, by=Actor.from_request(request), now=timezone.now())
    messages.success(
        request, _("“%(server)s” is no longer in the toolkit; its tools stop at the next call.") % {"server": server}
    )
    return redirect("toolkit", found.pk)


def back_to(found: Toolkit, server: Server) -> HttpResponse:
    return redirect(f"{reverse('toolkit', args=[found.pk])}#server-{server.pk}")
