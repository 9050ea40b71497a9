"""How the admin calls what it shows. The models have no names of their own: each change of one would be a migration."""

from django.db.models import Model
from django.utils.translation import gettext_lazy as _

NAMES = {
    "Account": (_("account"), _("accounts")),
    "Application": (_("application"), _("applications")),
    "Authorization": (_("authorization"), _("authorizations")),
    "Call": (_("call"), _("calls")),
    "Connection": (_("connection"), _("connections")),
    "DelegatedToken": (_("delegated token"), _("delegated tokens")),
    "Digest": (_("digest"), _("digests")),
    "Event": (_("event"), _("events")),
    "Finding": (_("finding"), _("findings")),
    "JobRun": (_("job"), _("jobs")),
    "ManagementKey": (_("management key"), _("management keys")),
    "OAuthSession": (_("OAuth session"), _("OAuth sessions")),
    "Policy": (_("policy"), _("policies")),
    "Reminder": (_("reminder"), _("reminders")),
    "Server": (_("server"), _("servers")),
    "SignInLink": (_("sign in link"), _("sign in links")),
    "Toolkit": (_("toolkit"), _("toolkits")),
    "User": (_("user"), _("users")),
    "Webhook": (_("webhook"), _("webhooks")),
    "WebhookDelivery": (_("webhook delivery"), _("webhook deliveries")),
}

# What lists and filters show of fields whose own names are for programmers.
FIELDS = {
    "Account.personal_of": _("person"),
    "JobRun.result": _("result"),
    "Toolkit.is_default": _("default toolkit"),
    "User.is_machine": _("machine"),
    "Webhook.is_enabled": _("switched on"),
}


def name(model: type[Model]) -> None:
    """Give the model and its fields names that are said in the language of the page."""
    if names := NAMES.get(model.__name__):
        model._meta.verbose_name, model._meta.verbose_name_plural = names
    for field in model._meta.fields:
        if words := FIELDS.get(f"{model.__name__}.{field.name}"):
            field.verbose_name = words
