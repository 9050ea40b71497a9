from collections.abc import Sequence

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation

from profiles.models import User
from profiles.permissions import Act, roles_with
from tokens.models import Webhook


def switched_off(webhook: Webhook) -> None:
    """Tell those who manage the account; raise OSError if the mail server does not take it."""
    managers = User.objects.filter(
        is_active=True, is_machine=False, memberships__account=webhook.account_id,
        memberships__role__in=roles_with(Act.MANAGE_TOOLKITS),
    )  # fmt: skip
    context = {"webhook": webhook, "link": settings.NEXUS_BASE_URL + reverse("webhook", args=[webhook.pk])}
    readers = list(managers.order_by("email"))
    with translation.override(_language_of(readers)):
        subject, text, html = (
            render_to_string(f"emails/webhook_off.{kind}", context) for kind in ("subject.txt", "txt", "html")
        )
    addresses = [reader.email for reader in readers]
    if addresses:  # one mail: were the first of several refused, a second try would mail the others twice
        message = EmailMultiAlternatives(subject=" ".join(subject.split()), body=text, to=addresses)
        message.attach_alternative(html, "text/html")
        message.send()


def _language_of(readers: Sequence[User]) -> str:
    """Return the one language that all read, else English."""
    languages = {reader.mail_language for reader in readers}
    return languages.pop() if len(languages) == 1 else settings.LANGUAGE_CODE
