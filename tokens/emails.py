"""Every mail about tokens: one function each. They decide nothing, and none carries a secret."""

from datetime import UTC
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

if TYPE_CHECKING:
    from tokens.models import DelegatedToken


def expiring(token: "DelegatedToken") -> None:
    """Remind the owner that the token ends; raise OSError if the mail server does not take it."""
    moments = {
        "ends_local": token.expires_at.astimezone(token.owner.zone),
        "ends_utc": token.expires_at.astimezone(UTC),
    }
    _send("expiring", token, {**moments, "link": _address("token", token.public_id)})


def revoked(token: "DelegatedToken", by: str) -> None:
    """Tell the owner who ended the token, and why; raise OSError if the mail server does not take it."""
    assert token.revoked_at
    revoked_local = token.revoked_at.astimezone(token.owner.zone)
    _send("revoked", token, {"by": by, "revoked_local": revoked_local, "link": _address("tokens")})


def _send(name: str, token: "DelegatedToken", context: dict[str, Any]) -> None:
    wish = urlencode({"profile": token.toolkit.alias, "name": token.name})
    context |= {
        "token": token,
        "owner": token.owner,
        "toolkit": token.toolkit,
        "install_link": f"{_address('install')}?{wish}",
    }
    with timezone.override(token.owner.zone):
        subject, text, html = (
            render_to_string(f"emails/{name}.{kind}", context) for kind in ("subject.txt", "txt", "html")
        )
    message = EmailMultiAlternatives(subject=" ".join(subject.split()), body=text, to=[token.owner.email])
    message.attach_alternative(html, "text/html")
    message.send()


def _address(view: str, *args: str) -> str:
    return settings.NEXUS_BASE_URL + reverse(view, args=args)
