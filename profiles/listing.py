from datetime import datetime

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from profiles import connecting
from profiles.models import Account, Attempts, Authorization, Server, User
from profiles.models.servers import refuse_bad_address
from profiles.upstream import discovery
from profiles.upstream.discovery import sentence
from profiles.upstream.errors import CredentialRefused, UpstreamError

PROBES = 30  # addresses that a person may have looked at within ten minutes


def probe(user: User, url: str, name: str, *, now: datetime) -> list[bytes] | CredentialRefused:
    """Return what the server lists, or that it lists nothing without a sign-in.

    Raise UpstreamError, or ValidationError for an address that is none, and for too many in a short time.
    """
    refuse_bad_address(url)
    if not Attempts.objects.take(f"probe:{user.pk}", PROBES, now=now):
        raise ValidationError(_("You have looked at many servers in a short time. Wait 10 minutes, then try again."))
    try:
        return discovery.list_tools(Server(url=url, name=name, transport=Server.Transport.HTTP))
    except CredentialRefused as refusal:
        return refusal


def list_again(server: Server, *, now: datetime, account: Account | None = None, user: User | None = None) -> str:
    """Ask the server for its tools and store the answer; return what went wrong as a sentence, or nothing.

    Where it wants a sign-in, the person's own is used, else the organization's.
    """
    try:
        tools = listed_with(connecting.lister(server, account, user, now=now), server, now=now)
    except UpstreamError as error:
        server.remember_failure(sentence(server, error), now=now)
        return sentence(server, error)
    server.remember_tools(tools, now=now)
    return ""


def listed_with(authorization: Authorization | None, server: Server, *, now: datetime) -> list[bytes]:
    """Return what the server lists to this authorization, renewed once if it is refused; raise UpstreamError."""
    if authorization is None:
        return discovery.list_tools(server)
    try:
        return discovery.list_tools(server, head=connecting.header_lines(authorization))
    except CredentialRefused as refusal:
        is_over = authorization.is_over_by(refusal.status, refusal.challenge)
        renewed = connecting.after_refusal(authorization, now=now) if is_over else None
        if renewed is None:
            raise
    return discovery.list_tools(server, head=connecting.header_lines(renewed))
