"""The kill switch of an account and of a toolkit."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from profiles import confirmation
from profiles.access import managed_account
from profiles.events import Actor
from profiles.models.pausing import Pausable
from profiles.views_toolkits import managed_toolkit


@require_POST
def account_pause(request: HttpRequest) -> HttpResponse:
    return _pause(request, managed_account(request), _("The account “%(name)s”"), reverse("settings"))


@require_POST
def account_resume(request: HttpRequest) -> HttpResponse:
    return _resume(request, managed_account(request), _("The account “%(name)s”"), reverse("settings"))


@require_POST
def toolkit_pause(request: HttpRequest, pk: Any) -> HttpResponse:
    return _pause(request, managed_toolkit(request, pk), _("The toolkit “%(name)s”"), reverse("toolkit", args=[pk]))


@require_POST
def toolkit_resume(request: HttpRequest, pk: Any) -> HttpResponse:
    return _resume(request, managed_toolkit(request, pk), _("The toolkit “%(name)s”"), reverse("toolkit", args=[pk]))


def _pause(request: HttpRequest, paused: Pausable, what: str, page: str) -> HttpResponse:
    named = {"what": what % {"name": paused}}
    if paused.pause(by=Actor.from_request(request), now=timezone.now()):
        messages.success(request, _("%(what)s is paused: every call from now on is refused.") % named)
    else:
        messages.info(request, _("%(what)s was paused already. Nothing was changed.") % named)
    return redirect(page)


def _resume(request: HttpRequest, paused: Pausable, what: str, page: str) -> HttpResponse:
    """Let calls through again; only for somebody who has just confirmed who they are."""
    named = {"what": what % {"name": paused}}
    if not confirmation.is_confirmed(request):
        messages.info(request, _("%(what)s is still paused. Press Resume once more.") % named)
        return confirmation.ask(request, next_url=page)
    if paused.resume(by=Actor.from_request(request), now=timezone.now()):
        messages.success(request, _("%(what)s goes on: calls are let through again.") % named)
    else:
        messages.info(request, _("%(what)s is not paused. Nothing was changed.") % named)
    return redirect(page)
