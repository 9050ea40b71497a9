from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from profiles import confirmation
from profiles.access import managed_account, signed_in
from profiles.events import Actor, Event
from profiles.models import Toolkit
from tokens import keys, snippets_applications
from tokens.forms_applications import MachineEditForm, PeopleEditForm, RegisterForm
from tokens.models import AlreadyRegistered, Application, OAuthSession
from tokens.pages import unkept

SHOWN = 20  # connections, tokens and events, on the page of an application
KEPT = "application"


def _managed(request: HttpRequest, client_id: str) -> Application:
    found = Application.objects.of(managed_account(request)).select_related("account", "user", "machine")
    return get_object_or_404(found, client_id=client_id)


@require_safe
def applications(request: HttpRequest) -> HttpResponse:
    account, now = managed_account(request), timezone.now()
    found = Application.objects.of(account).with_counts().select_related("user", "machine").order_by("name", "pk")
    exchanged = Application.objects.exchanged_in(account, now)
    rows = [(application, exchanged.get(application.client_id, 0)) for application in found]
    return render(request, "tokens/applications.html", {"rows": rows})


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("registered")
def application_register(request: HttpRequest) -> HttpResponse:
    """Show the form; to a POST answer with the page that shows the secret, the only one that ever does."""
    account = managed_account(request)
    if request.method != "POST":
        form = RegisterForm(confirmation.take_form(request, KEPT), account=account)
        return unkept(request, "tokens/application_register.html", {"form": form})
    form = RegisterForm(request.POST, account=account)
    if not form.is_valid():
        return unkept(request, "tokens/application_register.html", {"form": form}, status=422)
    if not confirmation.is_confirmed(request):
        confirmation.keep_form(request, KEPT, request.POST)
        return confirmation.ask(request, next_url=reverse("application_register"))
    try:
        registered = form.register(signed_in(request), by=Actor.from_request(request), now=timezone.now())
    except AlreadyRegistered as repeated:
        context = {"application": repeated.application}
        return unkept(request, "tokens/application_repeated.html", context, status=409)
    return _shown_once(request, registered.application, registered.key, is_new=True)


@sensitive_variables("key", "context")
def _shown_once(request: HttpRequest, application: Application, key: keys.Key | None, *, is_new: bool) -> HttpResponse:
    context = {
        "application": application, "secret": key.text if key else "", "is_new": is_new, **_how_to_use(application)
    }  # fmt: skip
    return unkept(request, "tokens/application_registered.html", context)


def _how_to_use(application: Application) -> dict[str, Any]:
    usable = Toolkit.objects.in_use()
    if application.machine:
        usable = Toolkit.objects.usable_by(application.machine)
    toolkit = usable.filter(account=application.account).order_by("-is_default", "name").first()
    return {
        "endpoints": snippets_applications.endpoints(application),
        "snippets": snippets_applications.of(application, toolkit),
    }


@require_safe
def application(request: HttpRequest, client_id: str) -> HttpResponse:
    found, now = _managed(request, client_id), timezone.now()
    connections, tokens = found.what_came_of_it(now)
    own, exchanged = connections.filter(account=found.account), tokens.filter(account=found.account)
    context = {
        "application": found,
        "member": found.member,
        "connections": own.select_related("owner", "toolkit")[:SHOWN],
        "exchanged": exchanged.select_related("owner", "toolkit")[:SHOWN],
        "elsewhere": connections.exclude(account=found.account).count(),
        "events": Event.objects.filter(subject_kind="application", subject_id=str(found.pk))[:SHOWN],
        **_how_to_use(found),
    }
    return render(request, "tokens/application.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def application_edit(request: HttpRequest, client_id: str) -> HttpResponse:
    """Change what it is; whoever lets it do more than before has confirmed who they are."""
    found = _managed(request, client_id)
    data: QueryDict | None = request.POST if request.method == "POST" else confirmation.take_form(request, KEPT)
    form = (MachineEditForm if found.runs_alone else PeopleEditForm)(data, application=found)
    if request.method == "POST" and form.is_valid():
        if form.is_widening and not confirmation.is_confirmed(request):
            confirmation.keep_form(request, KEPT, request.POST)
            return confirmation.ask(request, next_url=request.path)
        try:
            is_changed = form.save(by=Actor.from_request(request), now=timezone.now())
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(
                request, gettext("Saved.") if is_changed else gettext("Nothing was different, so nothing was changed.")
            )
            return redirect("application", found.client_id)
    is_wrong = request.method == "POST" and form.errors
    context = {"form": form, "application": found}
    return render(request, "tokens/application_edit.html", context, status=422 if is_wrong else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("key")
def application_secret(request: HttpRequest, client_id: str) -> HttpResponse:
    """Ask first; to a POST answer with the page that shows the new secret, the only one that ever does."""
    found = _managed(request, client_id)
    if request.method != "POST" or not found.is_confidential:
        return unkept(request, "tokens/application_secret.html", {"application": found})
    if not confirmation.is_confirmed(request):
        return confirmation.ask(request, next_url=request.path)
    key = found.replace_secret(request.POST.get("replaces", ""), by=Actor.from_request(request), now=timezone.now())
    if key is None:
        return unkept(request, "tokens/application_repeated.html", {"application": found}, status=409)
    return _shown_once(request, found, key, is_new=False)


@require_http_methods(["GET", "HEAD", "POST"])
def application_disable(request: HttpRequest, client_id: str) -> HttpResponse:
    found = _managed(request, client_id)
    if request.method != "POST":
        return _end_page(request, found, "tokens/application_disable.html")
    if found.disable(by=Actor.from_request(request), now=timezone.now()):
        messages.success(
            request, gettext("“%(name)s” is disabled: it and its tokens are refused from now on.") % {"name": found}
        )
    return redirect("application", found.client_id)


@require_POST
def application_enable(request: HttpRequest, client_id: str) -> HttpResponse:
    found = _managed(request, client_id)
    if not confirmation.is_confirmed(request):
        return confirmation.ask(request, next_url=reverse("application", args=[found.client_id]))
    if found.enable(by=Actor.from_request(request), now=timezone.now()):
        messages.success(request, gettext("“%(name)s” is enabled again.") % {"name": found})
    return redirect("application", found.client_id)


@require_http_methods(["GET", "HEAD", "POST"])
def application_remove(request: HttpRequest, client_id: str) -> HttpResponse:
    found = _managed(request, client_id)
    if request.method != "POST":
        return _end_page(request, found, "tokens/application_remove.html")
    found.remove(by=Actor.from_request(request), now=timezone.now())
    messages.success(request, gettext("“%(name)s” is removed. All that came of it has ended.") % {"name": found})
    return redirect("applications")


def _end_page(request: HttpRequest, found: Application, template: str) -> HttpResponse:
    """Ask, and say what ends."""
    now = timezone.now()
    connections, tokens = found.what_came_of_it(now)
    sessions = OAuthSession.objects.filter(connection__application=found, ended_at=None, ends_at__gt=now)
    context = {
        "application": found,
        "connection_count": connections.count(),
        "session_count": sessions.count(),
        "exchanged_count": tokens.count(),
    }
    return render(request, template, context)
