"""The invitation whose link this session has opened; sign-up and sign-in come before it can be accepted."""

from datetime import datetime

from django.http import HttpRequest

from profiles.models import Invitation

SESSION_KEY = "invitation"


def remember(request: HttpRequest, invitation: Invitation) -> None:
    """Keep the digest, which a later link replaces; the secret itself is kept nowhere."""
    request.session[SESSION_KEY] = invitation.digest


def forget(request: HttpRequest) -> None:
    request.session.pop(SESSION_KEY, None)


def to(request: HttpRequest, *, now: datetime) -> Invitation | None:
    """Return the invitation, if it is still good."""
    digest = request.session.get(SESSION_KEY)
    return Invitation.objects.good(now).filter(digest=digest).first() if digest else None
