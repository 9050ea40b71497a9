"""The fixed cast: Alice owns, Bob shares, Charlie must see nothing. Plain functions that make what a test needs."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from profiles.events import Actor
from profiles.models import Account, Server, Toolkit, User
from profiles.permissions import Role
from tokens import keys
from tokens.models import AccessToken, Application, Connection, DelegatedToken, Issued, ManagementKey
from tokens.models.connections import ACCESS_LIFE, SESSION_LIFE
from tokens.models.narrowing import Narrowing

OPERATOR = Actor.operator("test")
PASSWORD = "correct horse battery staple"


def make_user(name: str, **fields: Any) -> User:
    return User.objects.create_user(f"{name.lower()}@example.com", PASSWORD, name=name, **fields)


def make_account(name: str, **members: User) -> Account:
    """make_account("Acme", owner=alice, member=bob)"""
    account = Account.objects.create(name=name)
    for role, user in members.items():
        account.members.create(user=user, role=Role(role))
    return account


def definition(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "description": f"Does {name}", "inputSchema": {"type": "object"}, **fields}


def raw(*entries: dict[str, Any]) -> list[bytes]:
    """Return entries of tools/list as the bytes that a server sends."""
    return [json.dumps(entry).encode() for entry in entries]


def make_server(
    slug: str = "echo",
    tools: Sequence[str] = ("echo", "add"),
    url: str = "http://127.0.0.1:9/mcp",
    account: Account | None = None,
    now: datetime | None = None,
) -> Server:
    server = Server.objects.create(slug=slug, name=slug.title(), transport="http", url=url, account=account)
    server.remember_tools(raw(*map(definition, tools)), now=now or timezone.now())
    return server


def make_toolkit(
    account: Account, alias: str = "work", server: Server | None = None, allowed: Sequence[str] = (), **fields: Any
) -> Toolkit:
    """Of a server, offer the tools of these names; all of its resources and prompts, if asked to."""
    now = timezone.now()
    offers = {name: fields.pop(name, False) for name in ("offers_resources", "offers_prompts")}
    toolkit: Toolkit = Toolkit.objects.create_toolkit(
        account, alias=alias, name=fields.pop("name", alias.title()), by=OPERATOR, now=now, **fields
    )
    if server:
        toolkit.add_server(server, allowed=allowed, by=OPERATOR, now=now, **offers)
    return toolkit


def make_token(
    owner: User, toolkit: Toolkit, name: str = "n8n", life: timedelta = timedelta(days=7), now: datetime | None = None,
    **narrowing: Any,
) -> Issued:  # fmt: skip
    """A token, for less than its toolkit where a limit is named, as in make_token(alice, work, tools=["echo__echo"])."""
    now = (now or timezone.now()).replace(microsecond=0)
    return DelegatedToken.objects.issue(
        owner=owner, toolkit=toolkit, name=name, expires_at=now + life, by=OPERATOR, now=now,
        narrowing=Narrowing(**narrowing),
    )  # fmt: skip


def make_key(
    owner: User, account: Account, scopes: Sequence[str] = ("tokens:read",), name: str = "Terraform",
    life: timedelta = timedelta(days=30), now: datetime | None = None, ranges: Sequence[str] = (),
) -> tuple[ManagementKey, str]:  # fmt: skip
    """The owner's management key, and its secret."""
    now = (now or timezone.now()).replace(microsecond=0)
    made, key = ManagementKey.objects.make(
        owner=owner, account=account, name=name, scopes=scopes, expires_at=now + life, by=OPERATOR, now=now,
        ranges=ranges,
    )  # fmt: skip
    return made, key.text


def make_application(account: Account | None = None, name: str = "Claude Code", **fields: Any) -> Application:
    """A public client of the account or, without one, one that registered itself."""
    source = Application.RegistrationSource.MANUAL if account else Application.RegistrationSource.DCR
    return Application.objects.create(
        account=account,
        name=name,
        registration_source=source,
        client_type=fields.pop("client_type", Application.CLIENT_PUBLIC),
        authorization_grant_type=fields.pop("authorization_grant_type", Application.GRANT_AUTHORIZATION_CODE),
        redirect_uris=fields.pop("redirect_uris", "http://127.0.0.1/callback"),
        **fields,
    )


def make_access_token(
    owner: User, toolkit: Toolkit, application: Application, life: timedelta = ACCESS_LIFE, now: datetime | None = None
) -> tuple[AccessToken, str]:
    """The owner's access token through the application, in a session of its own, and its secret."""
    now = now or timezone.now()
    connection = Connection.objects.connect(application, owner, toolkit, scope="mcp", by=OPERATOR, now=now)
    session = connection.begin_session(ends_at=now + SESSION_LIFE, by=OPERATOR, now=now)
    key = keys.make(keys.Kind.ACCESS, connection.public_id)
    token = AccessToken(
        user=owner, application=application, session=session, scope="mcp", expires=now + life,
        resource=[f"{settings.NEXUS_BASE_URL}/hub/mcp"],
    )  # fmt: skip
    token.token = key.text
    token.save()
    return token, key.text
