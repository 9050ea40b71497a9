"""Connecting a person to a server, and keeping the connection fresh: the acts that both ask others and write rows."""

import asyncio
import hashlib
import secrets
import time
import uuid
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from profiles import encryption
from profiles.events import Actor
from profiles.models import Account, Authorization, Grant, Registration, Server, User
from profiles.upstream import oauth, oauth_metadata
from profiles.upstream.errors import GrantRefused, NotConnected, SignInFailed, UpstreamError
from profiles.upstream.http import refuse_line_breaks
from profiles.upstream.oauth import Client
from profiles.upstream.oauth_metadata import Discovered

HUB = Actor.system("hub")
SIGN_IN_LIFE = timedelta(minutes=15)
MOST_SIGN_INS = 5  # begun in one browser session and not come back
LOOK_EVERY = 0.05  # seconds, while another process refreshes
WAIT = 20.0  # seconds for it
YOUNG = timedelta(seconds=30)  # a token that is refused so soon will not get better by another
SESSION_KEY = "sign_ins"


def not_connected(server: Server, account_id: uuid.UUID | None, why: str = "is not connected for you") -> NotConnected:
    """Return the refusal that tells the person where to connect themselves."""
    link = settings.NEXUS_BASE_URL + reverse("authorization_connect", args=[server.pk])
    if account_id and not server.account_id:
        link += f"?account={account_id}"
    return NotConnected(f"“{server}” {why}. Open {link} in a browser, sign in there, and try again.")


class SignIn(msgspec.Struct, frozen=True):
    """A sign-in that has begun: kept, encrypted, in the browser session until the person comes back."""

    server_id: str
    account_id: str
    user_id: int
    verifier: str
    issuer: str
    names_issuer: bool
    began_at: float  # seconds since 1970
    grant: Grant


def begin(session: Any, server: Server, account: Account, user: User, *, now: datetime) -> str:
    """Return the address at which the person signs in; raise UpstreamError with what is wrong."""
    found = asyncio.run(oauth_metadata.discover(server.url))
    scopes = oauth.scopes_to_ask(found, server.oauth_scopes)
    client = _client_at(server, found, scopes, now)
    state, verifier = secrets.token_urlsafe(32), oauth.new_verifier()
    grant = Grant(
        access_token="", scopes=scopes, issuer=found.server.issuer, token_endpoint=found.server.token_endpoint,
        resource=found.resource, client_id=client.id, client_method=client.method,
    )  # fmt: skip
    sign_in = SignIn(
        str(server.pk), str(account.pk), user.pk, verifier, found.server.issuer, found.server.names_issuer,
        now.timestamp(), grant,
    )  # fmt: skip
    _keep(session, state, sign_in)
    return oauth.authorization_url(found, client.id, state=state, verifier=verifier, scopes=scopes)


def _client_at(server: Server, found: Discovered, scopes: str, now: datetime) -> Client:
    """Return as whom Nexus asks: as registered by hand, by its document, or as it registers itself, once."""
    if server.oauth_client_id:
        secret = server.oauth_client_secret
        return Client(server.oauth_client_id, oauth.method_for(found.server, has_secret=bool(secret)), secret)
    if settings.NEXUS_PRODUCTION and found.server.takes_documents:
        return oauth.document_client()
    place = {"server": server, "issuer": found.server.issuer, "redirect_uri": oauth.redirect_uri()}
    known = Registration.objects.good(now).filter(**place).order_by("created_at").first()
    if known:
        return Client(known.client_id, known.client_method, known.client_secret)
    if not found.server.registration_endpoint:
        raise SignInFailed(
            f"“{server}” lets nobody register by themselves. Whoever manages it can register Nexus there, with the "
            f"redirect address {oauth.redirect_uri()}, and write the client id on the server's page."
        )
    client = asyncio.run(oauth.register(found.server, scopes, now=now))
    registration = Registration(
        **place, client_id=client.id, client_method=client.method, secret_expires_at=client.secret_expires_at,
        created_at=now,
    )  # fmt: skip
    registration.client_secret = client.secret
    registration.save(force_insert=True)
    return client


def _keep(session: Any, state: str, sign_in: SignIn) -> None:
    digest = hashlib.sha256(state.encode()).hexdigest()
    kept = dict(list(session.get(SESSION_KEY, {}).items())[1 - MOST_SIGN_INS :])
    kept[digest] = encryption.encrypt(msgspec.json.encode(sign_in).decode(), f"sign-in:{digest}")
    session[SESSION_KEY] = kept


def begun(session: Any, state: str, user: User, *, now: datetime) -> SignIn | None:
    """Return the sign-in that this browser session began with this state, once; None for any other."""
    digest = hashlib.sha256(state.encode()).hexdigest()
    kept = dict(session.get(SESSION_KEY, {}))
    sealed = kept.pop(digest, None)
    if sealed is None:
        return None
    session[SESSION_KEY] = kept
    sign_in = msgspec.json.decode(encryption.decrypt(sealed, f"sign-in:{digest}"), type=SignIn)
    is_fresh = 0 <= now.timestamp() - sign_in.began_at < SIGN_IN_LIFE.total_seconds()
    return sign_in if is_fresh and sign_in.user_id == user.pk else None


def refuse_other_issuer(sign_in: SignIn, issuer: str | None) -> None:
    """Raise SignInFailed if the answer comes from another authorization server than was asked (RFC 9207)."""
    if issuer is None and not sign_in.names_issuer:
        return
    if issuer is None or not oauth_metadata.same_issuer(issuer, sign_in.issuer):
        raise SignInFailed("The answer came from another authorization server than the one that was asked.")


def finish(
    sign_in: SignIn, code: str, server: Server, account: Account, user: User, *, by: Actor, now: datetime
) -> Authorization:
    """Fetch the tokens and store them; raise UpstreamError."""
    secret = _secret_of(server, sign_in.grant.client_id)
    try:
        grant = asyncio.run(oauth.exchange(sign_in.grant, secret, code=code, verifier=sign_in.verifier, now=now))
    except GrantRefused as refusal:
        _forget_client(refusal, server, sign_in.grant.client_id)
        raise
    return Authorization.objects.connect(server, account, user, grant, by=by, now=now)


def _secret_of(server: Server, client_id: str) -> str:
    if client_id == server.oauth_client_id:
        return server.oauth_client_secret
    known = Registration.objects.filter(server=server, client_id=client_id).first()
    return known.client_secret if known else ""


def _forget_client(refusal: GrantRefused, server: Server, client_id: str) -> None:
    """Let the next sign-in register anew if it is the registration that is no longer known."""
    if refusal.is_about_client:
        Registration.objects.filter(server=server, client_id=client_id).delete()


def header_lines(authorization: Authorization) -> bytes:
    """Return the header lines that sign in; raise UpstreamError if the credential cannot be read or sent."""
    try:
        name, value = authorization.header
        return f"{refuse_line_breaks(name)}: {refuse_line_breaks(value)}\r\n".encode("ascii")
    except (encryption.Unreadable, ValueError) as error:
        raise UpstreamError(
            f"The stored credential for “{authorization.server}” cannot be used: {error} Connect it again."
        ) from error


def ready(authorization: Authorization, *, now: datetime) -> Authorization:
    """Return the authorization, refreshed if it is about to expire; raise UpstreamError."""
    if not authorization.is_due(now):
        return authorization
    try:
        return refreshed(authorization)
    except NotConnected:
        raise
    except UpstreamError:
        if authorization.expires_at and now < authorization.expires_at:
            return authorization
        raise


def refreshed(authorization: Authorization) -> Authorization:
    """Return it with another secret than this one: one process asks for it, all others wait. Raise UpstreamError."""
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        current = _again(authorization)
        if current.encrypted_secret != authorization.encrypted_secret:
            return current
        if current.claim_refresh(now=timezone.now()):
            return _refresh(current)
        time.sleep(LOOK_EVERY)
    raise UpstreamError(f"The sign-in at “{authorization.server}” is being renewed, which takes long. Try again.")


def _again(authorization: Authorization) -> Authorization:
    """Return what the database has now; raise NotConnected if it is over."""
    rows = Authorization.objects.living().select_related("server", "account", "owner")
    current = rows.filter(pk=authorization.pk, dead_since=None).first()
    if current is None:
        raise not_connected(authorization.server, authorization.account_id, "needs you to sign in again")
    return current


def _refresh(current: Authorization) -> Authorization:
    grant = Grant(
        access_token="", refresh_token=current.refresh_token, scopes=current.scopes, issuer=current.issuer,
        token_endpoint=current.token_endpoint, resource=current.resource, client_id=current.client_id,
        client_method=current.client_method,
    )  # fmt: skip
    try:
        secret = _secret_of(current.server, current.client_id)
        granted = asyncio.run(oauth.refresh(grant, secret, now=timezone.now()))
    except GrantRefused as refusal:
        _forget_client(refusal, current.server, current.client_id)
        current.die(str(refusal), by=HUB, now=timezone.now())
        raise not_connected(current.server, current.account_id, "needs you to sign in again") from refusal
    except BaseException:
        current.give_back_claim()
        raise
    if not current.take_refreshed(granted, now=timezone.now()):
        raise not_connected(current.server, current.account_id)
    return current


def after_refusal(authorization: Authorization, *, now: datetime) -> Authorization | None:
    """Return what to try next now that the server refused this credential; None, and it is dead, if nothing is."""
    try:
        current = _again(authorization)
        if current.encrypted_secret != authorization.encrypted_secret:
            return current
        if current.encrypted_refresh_token and now - (current.refreshed_at or current.created_at) > YOUNG:
            return refreshed(current)
    except NotConnected:
        return None
    current.die("The server does not take it any longer.", by=HUB, now=now)
    return None


def lister(server: Server, account: Account | None, user: User | None, *, now: datetime) -> Authorization | None:
    """Return with what to list the server's tools, None where it wants no sign-in; raise UpstreamError."""
    if not server.wants_sign_in:
        return None
    found = Authorization.objects.for_listing(server, account, user=user, now=now)
    if found is None:
        raise not_connected(server, account.pk if account else None)
    return ready(found, now=now)
