from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from profiles import confirmation
from profiles.access import managed_account, signed_in
from profiles.events import Actor
from profiles.forms import note_errors
from tokens.forms_webhooks import ReplaceSecretForm, WebhookForm, WebhookSettingsForm
from tokens.models import Webhook, WebhookDelivery
from tokens.pages import unkept
from tokens.webhooks import may_send_by_hand

PAGE_SIZE = 50
KEPT, KEPT_OVERLAP = "webhook", "webhook_overlap"
KINDS = {Webhook.State.ON: "ok", Webhook.State.FAILING: "bad", Webhook.State.OFF: "quiet"}
DELIVERY_KINDS = {"waiting": "info", "delivered": "ok", "given_up": "bad"}


@require_safe
def webhooks(request: HttpRequest) -> HttpResponse:
    account = managed_account(request)
    rows = [(webhook, KINDS[webhook.state]) for webhook in Webhook.objects.filter(account=account)]
    return render(request, "tokens/webhooks.html", {"rows": rows})


@require_safe
def guide(request: HttpRequest) -> HttpResponse:
    """Say how a receiver checks what it gets, with a program that does."""
    signed_in(request)
    return render(request, "tokens/webhook_guide.html", {"kinds": Webhook.Kind.choices})


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("secret")
def webhook_add(request: HttpRequest) -> HttpResponse:
    """Make a webhook; the answer to the press is the only page that shows its secret."""
    account = managed_account(request)
    if request.method != "POST":
        kept = confirmation.take_form(request, KEPT)
        form = WebhookForm(kept, initial={"kinds": Webhook.Kind.values})
        return unkept(request, "tokens/webhook_add.html", {"form": form, "is_back": kept is not None})
    if not confirmation.is_confirmed(request):
        confirmation.keep_form(request, KEPT, request.POST)
        return confirmation.ask(request, next_url=reverse("webhook_add"))
    form = WebhookForm(request.POST)
    if form.is_valid():
        try:
            found, secret = Webhook.objects.add(
                account, **form.cleaned_data, by=Actor.from_request(request), now=timezone.now()
            )
            return unkept(request, "tokens/webhook_issued.html", {"webhook": found, "secret": secret})
        except ValidationError as error:
            note_errors(form, error)
    return unkept(request, "tokens/webhook_add.html", {"form": form}, status=422)


def _managed(request: HttpRequest, pk: UUID) -> Webhook:
    return get_object_or_404(Webhook.objects.filter(account=managed_account(request)).select_related("account"), pk=pk)


@require_safe
def webhook(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Show the webhook and what was sent, the newest first."""
    found = _managed(request, pk)
    sent = WebhookDelivery.objects.filter(webhook=found).defer("body", "response")
    before = _uuid(request.GET.get("before", ""))
    if before:
        sent = sent.filter(pk__lt=before)
    rows = list(sent.order_by("-id")[: PAGE_SIZE + 1])
    context = {
        "webhook": found,
        "kind": KINDS[found.state],
        "has_former": found.former_ends_at is not None and timezone.now() < found.former_ends_at,
        "rows": [(row, DELIVERY_KINDS[row.state]) for row in rows[:PAGE_SIZE]],
        "newer": reverse("webhook", args=[found.pk]) if before else "",
        "older": f"?before={rows[PAGE_SIZE - 1].pk}" if rows[PAGE_SIZE:] else "",
    }
    return render(request, "tokens/webhook.html", context)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


@require_http_methods(["GET", "HEAD", "POST"])
def webhook_edit(request: HttpRequest, pk: UUID) -> HttpResponse:
    found = _managed(request, pk)
    initial = {name: getattr(found, name) for name in WebhookSettingsForm.base_fields}
    form = WebhookSettingsForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            changed = found.change(by=Actor.from_request(request), now=timezone.now(), **form.cleaned_data)
            messages.success(
                request, gettext("Saved.") if changed else gettext("Nothing was different, so nothing was changed.")
            )
            return redirect("webhook", found.pk)
        except ValidationError as error:
            note_errors(form, error)
    context = {"form": form, "webhook": found}
    return render(request, "tokens/webhook_edit.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("secret")
def webhook_secret(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask how long the old secret stays; to a POST, show the new one, this once."""
    found = _managed(request, pk)
    if request.method != "POST":
        form = ReplaceSecretForm(confirmation.take_form(request, KEPT_OVERLAP))
        return unkept(request, "tokens/webhook_secret.html", {"form": form, "webhook": found})
    if not confirmation.is_confirmed(request):
        confirmation.keep_form(request, KEPT_OVERLAP, request.POST)
        return confirmation.ask(request, next_url=request.path)
    form = ReplaceSecretForm(request.POST)
    if not form.is_valid():
        return unkept(request, "tokens/webhook_secret.html", {"form": form, "webhook": found}, status=422)
    secret = found.replace_secret(
        overlap=form.cleaned_data["overlap"], by=Actor.from_request(request), now=timezone.now()
    )
    return unkept(request, "tokens/webhook_issued.html", {"webhook": found, "secret": secret, "is_replaced": True})


@require_http_methods(["GET", "HEAD", "POST"])
def webhook_remove(request: HttpRequest, pk: UUID) -> HttpResponse:
    found = _managed(request, pk)
    if request.method == "POST":
        found.remove(by=Actor.from_request(request), now=timezone.now())
        messages.success(
            request, gettext("The webhook “%(name)s” is removed. Nothing is sent to it any more.") % {"name": found}
        )
        return redirect("webhooks")
    return render(request, "tokens/webhook_remove.html", {"webhook": found})


@require_POST
def webhook_test(request: HttpRequest, pk: UUID) -> HttpResponse:
    found, now = _managed(request, pk), timezone.now()
    if not found.is_enabled:
        messages.error(request, gettext("It is off. Switch it on first; nothing was sent."))
    elif not may_send_by_hand(signed_in(request), now=now):
        messages.error(
            request, gettext("You have sent many by hand. Wait 10 minutes, then try again. Nothing was sent.")
        )
    else:
        delivery = found.send_test(now=now)
        messages.success(request, gettext("A test is on its way. Reload this page to see what is answered."))
        return redirect("webhook_delivery", found.pk, delivery.pk)
    return redirect("webhook", found.pk)


@require_safe
def webhook_delivery(request: HttpRequest, pk: UUID, delivery_pk: UUID) -> HttpResponse:
    found = _managed(request, pk)
    delivery = get_object_or_404(WebhookDelivery.objects.filter(webhook=found), pk=delivery_pk)
    context = {"webhook": found, "delivery": delivery, "kind": DELIVERY_KINDS[delivery.state]}
    return render(request, "tokens/webhook_delivery.html", context)


@require_POST
def webhook_replay(request: HttpRequest, pk: UUID, delivery_pk: UUID) -> HttpResponse:
    """Send it again under its own id, so that a receiver that has had it can tell."""
    found, now = _managed(request, pk), timezone.now()
    delivery = get_object_or_404(WebhookDelivery.objects.filter(webhook=found), pk=delivery_pk)
    if not found.is_enabled:
        messages.error(request, gettext("The webhook is off. Switch it on first; nothing was sent."))
    elif not may_send_by_hand(signed_in(request), now=now):
        messages.error(
            request, gettext("You have sent many by hand. Wait 10 minutes, then try again. Nothing was sent.")
        )
    elif delivery.replay(now=now):
        messages.success(
            request, gettext("It is on its way again, under the same id. Reload this page to see the answer.")
        )
    else:
        messages.info(request, gettext("It is on its way already."))
    return redirect("webhook_delivery", found.pk, delivery.pk)
