"""A toolkit is put away, and brought back."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from profiles import confirmation
from profiles.events import Actor
from profiles.views_toolkits import READ_AND_WRITE, managed_toolkit


@require_http_methods(READ_AND_WRITE)
def toolkit_archive(request: HttpRequest, pk: Any) -> HttpResponse:
    """Say what stops with it; to a POST, stop it before the answer is sent."""
    found, now = managed_toolkit(request, pk), timezone.now()
    if request.method != "POST":
        context = {"toolkit": found, "impact": found.archive_impact(now)}
        return render(request, "profiles/toolkit_archive.html", context)
    if found.archive(by=Actor.from_request(request), now=now):
        said = _("The toolkit “%(name)s” is archived: every call from now on is refused.") % {"name": found}
        messages.success(request, said)
    elif found.is_default:
        said = _("The toolkit “%(name)s” is the default one of its account. It stays.") % {"name": found}
        messages.error(request, said)
    else:
        messages.info(request, _("“%(name)s” was archived already. Nothing was changed.") % {"name": found})
    return redirect("toolkit", found.pk)


@require_POST
def toolkit_restore(request: HttpRequest, pk: Any) -> HttpResponse:
    """Let calls through again; only for somebody who has just confirmed who they are."""
    found = managed_toolkit(request, pk)
    if not confirmation.is_confirmed(request):
        messages.info(request, _("“%(name)s” is still archived. Press Restore once more.") % {"name": found})
        return confirmation.ask(request, next_url=reverse("toolkit", args=[pk]))
    if found.restore(by=Actor.from_request(request), now=timezone.now()):
        said = _("The toolkit “%(name)s” is back, and those of its tokens that live still work.") % {"name": found}
        messages.success(request, said)
    else:
        messages.info(request, _("“%(name)s” is not archived. Nothing was changed.") % {"name": found})
    return redirect("toolkit", found.pk)
