"""Every mail about tokens: one function each. They decide nothing, and none carries a secret."""

from datetime import UTC
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse

if TYPE_CHECKING:
    from tokens.models import DelegatedToken


def expiring(token: "DelegatedToken") -> None:
    """Remind the owner that the token ends; raise OSError if the mail server does not take it."""
    ends_at = token.expires_at
    send(
        "expiring",
        token,
        {
            "ends_local": ends_at.astimezone(token.owner.zone),
            "ends_utc": ends_at.astimezone(UTC),
            "link": settings.NEXUS_BASE_URL + reverse("token", args=[token.public_id]),
        },
    )


def revoked(token: "DelegatedToken", by: str) -> None:
    """Tell the owner who ended the token, and why; raise OSError if the mail server does not take it."""
    send("revoked", token, {"by": by, "link": settings.NEXUS_BASE_URL + reverse("tokens")})


def send(name: str, token: "DelegatedToken", context: dict[str, Any]) -> None:
    context = {"token": token, "owner": token.owner, "toolkit": token.toolkit, "base_url": settings.NEXUS_BASE_URL} | context
    subject = render_to_string(f"emails/{name}.subject.txt", context)
    message = EmailMultiAlternatives(
        subject=" ".join(subject.split()), body=render_to_string(f"emails/{name}.txt", context), to=[token.owner.email]
    )
    message.attach_alternative(render_to_string(f"emails/{name}.html", context), "text/html")
    message.send()
