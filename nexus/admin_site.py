from collections.abc import Iterable
from typing import Any

from allauth.account.decorators import secure_admin_login
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _

from nexus import model_names

OURS = ("profiles", "tokens", "activity")
SECTIONS = {
    _("Access"): ("DelegatedToken", "Connection", "OAuthSession", "ManagementKey", "Application"),
    _("People"): ("User", "Account", "Policy", "SignInLink"),
    _("Tools"): ("Server", "Toolkit", "Authorization"),
    _("What happened"): ("Event", "Call", "Finding"),
    _("Telling"): ("Reminder", "Digest", "Webhook", "WebhookDelivery"),
    _("Running"): ("JobRun",),
}


class NexusAdminSite(AdminSite):
    """The Django admin of the instance, for staff."""

    site_header = _("Nexus administration")
    site_title = _("Nexus administration")
    index_title = _("Administration")
    site_url = "/"
    empty_value_display = "–"

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Take what our own apps register; pages that libraries bring show columns that nobody should read."""
        if admin_class is not None and admin_class.__module__.partition(".")[0] in OURS:
            super().register(model_or_iterable, admin_class, **options)
            for model in model_or_iterable if isinstance(model_or_iterable, Iterable) else [model_or_iterable]:
                model_names.name(model)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return the pages by what they are about, not by the app that their tables happen to lie in."""
        apps = super().get_app_list(request, app_label)
        if app_label:
            return apps
        pages = {page["object_name"]: page for app in apps for page in app["models"]}
        return [
            {"name": name, "app_label": name.lower(), "app_url": reverse("admin:index"), "has_module_perms": True,
             "models": [pages[each] for each in members if each in pages]}
            for name, members in SECTIONS.items()
        ]  # fmt: skip

    @method_decorator(secure_admin_login)
    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Let staff sign in where everybody does, under the same limits."""
        return super().login(request, extra_context)

    login.login_required = False  # type: ignore[attr-defined]

    def logout(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return HttpResponseRedirect(reverse("account_logout"))

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return HttpResponseRedirect(reverse("account_change_password"))
