from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles.admin_pages import Answer, AsksFirst, KeysetAdmin, badge, every_field
from profiles.events import Actor
from tokens.models import Webhook, WebhookDelivery

KINDS = {Webhook.State.ON: "ok", Webhook.State.FAILING: "bad", Webhook.State.OFF: ""}
DELIVERY_KINDS = {"waiting": "info", "delivered": "ok", "given_up": "bad"}


@admin.register(Webhook)
class WebhookAdmin(AsksFirst):
    """Where accounts have themselves told. Their secrets are not shown."""

    list_display = ("url", "standing", "account", "told_when", "failing_since", "created_at")
    list_select_related = ("account",)
    list_filter = ("is_enabled", ("failing_since", admin.EmptyFieldListFilter))
    search_fields = ("url", "description", "account__name")
    search_help_text = _("By address, description or account.")
    ordering = ("-created_at",)
    actions = ("switch_off", "remove")
    fields = (
        "standing", "told_when",
        *every_field(Webhook, but=("id", "kinds", "encrypted_secret", "encrypted_former_secret", "busy_until")),
    )  # fmt: skip

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=_("state"))
    def standing(self, webhook: Webhook) -> SafeString:
        return badge(KINDS[webhook.state], str(webhook.state.label))

    @admin.display(description=_("told when"))
    def told_when(self, webhook: Webhook) -> str:
        return " · ".join(map(str, webhook.kind_labels))

    @admin.action(description=_("Switch off…"), permissions=["view"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> Answer:
        now = timezone.now()
        warning = gettext(
            "Nothing is sent to it until somebody of the account switches it on. Those who manage it are told."
        )
        return self.ask_then(
            request, queryset, "switch_off", warning,
            lambda one: one.switch_off("Switched off by staff.", now=now, by=Actor.from_request(request)),
        )  # fmt: skip

    @admin.action(description=_("Remove…"), permissions=["view"])
    def remove(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> Answer:
        by, now = Actor.from_request(request), timezone.now()

        def act(webhook: Webhook) -> bool:
            webhook.remove(by=by, now=now)
            return True

        return self.ask_then(
            request, queryset, "remove", gettext("It is removed with its log. This cannot be undone."), act
        )


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(KeysetAdmin):
    list_display = ("created_at", "webhook", "kind_label", "standing", "attempts", "status", "next_try_at")
    list_select_related = ("webhook",)
    list_filter = ("state",)
    search_fields = ("webhook__url", "kind")
    search_help_text = _("By the webhook's address, or the kind of message.")
    fields = every_field(WebhookDelivery)

    @admin.display(description=_("kind"))
    def kind_label(self, delivery: WebhookDelivery) -> str:
        return delivery.kind_label

    @admin.display(description=_("state"))
    def standing(self, delivery: WebhookDelivery) -> SafeString:
        return badge(DELIVERY_KINDS[delivery.state], delivery.get_state_display())
