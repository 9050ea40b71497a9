"""REST for webhooks: where an account wants to be told, and what was sent there."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import path
from django_filters import ChoiceFilter, FilterSet, UUIDFilter
from rest_framework import serializers
from rest_framework.exceptions import Throttled

from profiles.models import Account
from profiles.permissions import Act
from profiles.rest.acts import Input, Line, Moment, changes, creates, lists, reads, writes
from profiles.rest.asking import Asked
from profiles.rest.endpoints import resource
from profiles.rest.problems import Conflict
from tokens import webhooks
from tokens.models import Webhook, WebhookDelivery

MAX_OVERLAP = timedelta(days=7)


class WebhookOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    account = serializers.UUIDField(source="account_id")
    url = serializers.CharField()
    description = serializers.CharField()
    kinds = serializers.ListField(child=serializers.CharField())
    is_enabled = serializers.BooleanField()
    state = serializers.CharField()
    failing_since = Moment(allow_null=True)
    switched_off_because = serializers.CharField()
    former_ends_at = Moment(allow_null=True, help_text="Until when the former secret signs too.")
    created_at = Moment()


class WebhookSecretOutput(WebhookOutput):
    secret = serializers.CharField(help_text="Shown this once.")

    def to_representation(self, made: tuple[Webhook, str]) -> dict[str, Any]:
        webhook, secret = made
        return {**WebhookOutput(webhook, context=self.context).data, "secret": secret}


class DeliveryOutput(serializers.Serializer[WebhookDelivery]):
    id = serializers.UUIDField()
    kind = serializers.CharField()
    state = serializers.ChoiceField(choices=WebhookDelivery.State.choices)
    attempts = serializers.IntegerField()
    created_at = Moment()
    next_try_at = Moment()
    tried_at = Moment(allow_null=True)
    status = serializers.IntegerField(allow_null=True)
    error = serializers.CharField()


class WebhookInput(Input):
    url = serializers.CharField(max_length=500)
    description = Line(max_length=200, allow_blank=True)
    kinds = serializers.ListField(
        child=serializers.ChoiceField(choices=Webhook.Kind.choices), allow_empty=False, max_length=50
    )
    is_enabled = serializers.BooleanField()


class WebhookAddInput(Input):
    account = serializers.UUIDField(required=False)
    url = serializers.CharField(max_length=500)
    description = Line(max_length=200, required=False, allow_blank=True, default="")
    kinds = serializers.ListField(
        child=serializers.ChoiceField(choices=Webhook.Kind.choices), allow_empty=False, max_length=50
    )


class OverlapInput(Input):
    overlap_seconds = serializers.IntegerField(
        min_value=0, max_value=int(MAX_OVERLAP.total_seconds()), default=24 * 3600,
        help_text="How long the former secret signs too.",
    )  # fmt: skip


class WebhookFilters(FilterSet):
    account = UUIDFilter(field_name="account_id")


class DeliveryFilters(FilterSet):
    state = ChoiceFilter(choices=WebhookDelivery.State.choices)


def _managed(asked: Asked) -> QuerySet[Webhook]:
    accounts = Account.objects.where(asked.user, Act.MANAGE_TOOLKITS)
    return asked.here(Webhook.objects.filter(account__in=accounts)).select_related("account")


@lists("webhooks:read", WebhookOutput, filters=WebhookFilters, orderings=("created_at", "-created_at"))
def list_webhooks(asked: Asked) -> QuerySet[Webhook]:
    return _managed(asked)


@reads("webhooks:read", WebhookOutput)
def get_webhook(asked: Asked, pk: UUID) -> Webhook:
    return get_object_or_404(_managed(asked), pk=pk)


def _with_good_address(asked: Asked, wish: dict[str, Any]) -> None:
    """Look at the address before anything is locked: its name is resolved."""
    wish["url"] = webhooks.checked_address(wish["url"])


@creates("webhooks:write", WebhookSecretOutput, WebhookAddInput, is_secret=True, prepare=_with_good_address)
def add_webhook(asked: Asked, wish: dict[str, Any], _: None) -> tuple[Webhook, str]:
    """Add a webhook; the answer shows its secret. For a person who has just confirmed who they are."""
    account = asked.account_where(Act.MANAGE_TOOLKITS, wish.pop("account", None))
    asked.refuse_unconfirmed("/settings/webhooks/new/")
    return Webhook.objects.add(account, **wish, by=asked.by, now=asked.now)


@changes("webhooks:write", WebhookOutput, WebhookInput)
def change_webhook(asked: Asked, wish: dict[str, Any], pk: UUID) -> Webhook:
    found = get_object_or_404(_managed(asked), pk=pk)
    if "url" in wish:
        _with_good_address(asked, wish)
    found.change(by=asked.by, now=asked.now, **wish)
    return found


@writes("webhooks:write", None)
def remove_webhook(asked: Asked, pk: UUID) -> None:
    """Remove it with its log; what was not sent yet is not sent."""
    get_object_or_404(_managed(asked), pk=pk).remove(by=asked.by, now=asked.now)


@creates("webhooks:write", WebhookSecretOutput, OverlapInput, is_secret=True)
def replace_webhook_secret(asked: Asked, wish: dict[str, Any], pk: UUID) -> tuple[Webhook, str]:
    """Replace the secret; the answer shows the new one. For a person who has just confirmed who they are."""
    found = get_object_or_404(_managed(asked), pk=pk)
    asked.refuse_unconfirmed(f"/settings/webhooks/{pk}/secret/")
    overlap = timedelta(seconds=wish["overlap_seconds"])
    return found, found.replace_secret(overlap=overlap, by=asked.by, now=asked.now)


@writes("webhooks:write", DeliveryOutput, problems=(409,), status=202)
def test_webhook(asked: Asked, pk: UUID) -> WebhookDelivery:
    """Send a message that says it is a test."""
    return _sendable(asked, pk).send_test(now=asked.now)


@lists("webhooks:read", DeliveryOutput, filters=DeliveryFilters, orderings=("-created_at", "created_at"))
def list_deliveries(asked: Asked, pk: UUID) -> QuerySet[WebhookDelivery]:
    """List what was sent to it, and what waits."""
    return get_object_or_404(_managed(asked), pk=pk).deliveries.defer("body", "response")


@writes("webhooks:write", DeliveryOutput, problems=(409,), status=202)
def replay_delivery(asked: Asked, pk: UUID, delivery_pk: UUID) -> WebhookDelivery:
    """Send a message again under its own id, so that a receiver that has had it can tell."""
    found = get_object_or_404(_sendable(asked, pk).deliveries, pk=delivery_pk)
    if not found.replay(now=asked.now):
        raise Conflict("It is on its way already.")
    found.refresh_from_db()
    return found


def _sendable(asked: Asked, pk: UUID) -> Webhook:
    found = get_object_or_404(_managed(asked), pk=pk)
    if not found.is_enabled:
        raise Conflict("The webhook is off. Switch it on first; nothing was sent.")
    if not webhooks.may_send_by_hand(asked.user, now=asked.now):
        raise Throttled(wait=int(webhooks.BY_HAND_IN.total_seconds()))
    return found


urlpatterns = [
    path("webhooks", resource(get=list_webhooks, post=add_webhook)),
    path("webhooks/<uuid:pk>", resource(get=get_webhook, patch=change_webhook, delete=remove_webhook)),
    path("webhooks/<uuid:pk>/secret", resource(post=replace_webhook_secret)),
    path("webhooks/<uuid:pk>/test", resource(post=test_webhook)),
    path("webhooks/<uuid:pk>/deliveries", resource(get=list_deliveries)),
    path("webhooks/<uuid:pk>/deliveries/<uuid:delivery_pk>/replay", resource(post=replay_delivery)),
]
