from datetime import timedelta
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from profiles import mailbox
from profiles.access import current_account, signed_in
from profiles.context import THEME_COOKIE, THEMES
from profiles.events import Actor
from profiles.forms import NotificationsForm, ProfileForm, ThemeForm
from profiles.models import Account, Notifications
from profiles.permissions import Act

THEME_LIFE = timedelta(days=365)


@require_http_methods(["GET", "HEAD", "POST"])
def settings_page(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    form = ProfileForm(request.POST or None, instance=user)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        return redirect("settings")
    theme = request.COOKIES.get(THEME_COOKIE, "")
    context = {
        "form": form,
        "theme_form": ThemeForm(initial={"theme": theme if theme in THEMES else "system"}),
        "accounts": Account.objects.of(user).order_by("created_at"),
        "account": current_account(request),
        "may_manage": current_account(request).lets(user, Act.MANAGE_TOOLKITS),
    }
    return render(request, "profiles/settings.html", context, status=422 if form.errors else 200)


@require_POST
def settings_theme(request: HttpRequest) -> HttpResponse:
    """Keep the theme in a cookie, so that no page flashes in the wrong one."""
    signed_in(request)
    form = ThemeForm(request.POST)
    response = redirect("settings")
    if not form.is_valid():
        messages.error(request, _("Choose one of the three themes."))
        return response
    theme = form.cleaned_data["theme"]
    if theme in THEMES:
        response.set_cookie(
            THEME_COOKIE, theme, max_age=THEME_LIFE, secure=request.is_secure(), samesite="Lax"
        )  # read by the theme switch too
    else:
        response.delete_cookie(THEME_COOKIE, samesite="Lax")
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def notifications(request: HttpRequest) -> HttpResponse:
    chosen = Notifications.objects.of(signed_in(request))
    form = NotificationsForm(request.POST) if request.method == "POST" else NotificationsForm.showing(chosen)
    if request.method == "POST" and form.is_valid():
        changed = chosen.change(**form.cleaned_data, by=Actor.from_request(request), now=timezone.now())
        messages.success(request, _("Saved.") if changed else _("Nothing was changed."))
        return redirect("notifications")
    accounts = Account.objects.of(signed_in(request)).order_by("created_at")
    own = set(Notifications.objects.filter(user=chosen.user).values_list("account", flat=True))
    context = {"form": form, "accounts": [(account, account.pk in own) for account in accounts]}
    return render(request, "profiles/notifications.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def notifications_of_account(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Choose for the tokens of one account alone."""
    chosen = _notifications_in(request, pk)
    form = NotificationsForm(request.POST) if request.method == "POST" else NotificationsForm.showing(chosen)
    if request.method == "POST" and form.is_valid():
        changed = chosen.change(**form.cleaned_data, by=Actor.from_request(request), now=timezone.now())
        messages.success(request, _("Saved.") if changed else _("Nothing was changed."))
        return redirect("notifications")
    context = {"form": form, "account": chosen.account, "is_own": bool(chosen.pk)}
    return render(request, "profiles/notifications_account.html", context, status=422 if form.errors else 200)


@require_POST
def notifications_follow(request: HttpRequest, pk: UUID) -> HttpResponse:
    chosen = _notifications_in(request, pk)
    if chosen.follow(by=Actor.from_request(request), now=timezone.now()):
        messages.success(
            request,
            _("What you are told of “%(account)s” is what holds everywhere again.") % {"account": chosen.account},
        )
    else:
        messages.info(request, _("Nothing was changed."))
    return redirect("notifications")


def _notifications_in(request: HttpRequest, pk: UUID) -> Notifications:
    user = signed_in(request)
    chosen: Notifications = Notifications.objects.of(user, get_object_or_404(Account.objects.of(user), pk=pk))
    return chosen


def staff_only(request: HttpRequest) -> None:
    if not signed_in(request).is_staff:
        raise Http404


@require_safe
def mail(request: HttpRequest) -> HttpResponse:
    """List the mails that this instance wrote into files; the newest first."""
    staff_only(request)
    return render(request, "profiles/mail.html", {"mails": mailbox.newest(100), "is_in_files": mailbox.is_in_files()})
