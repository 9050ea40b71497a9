"""An installation in which much has happened: for `manage.py shell`, which knows no test database."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from activity.models import Call
from profiles.models import Account, Authorization, Grant, Invitation, Server, Toolkit, User
from profiles.permissions import Role
from tests import cast
from tests.activity.calls import call_of, count_calls
from tokens.models import DelegatedToken, Webhook

LONG = "The longest name that a person who means well may give to one small helper"
TOOLS = {
    "github": ["search_issues", "get_issue", "create_issue", "list_pull_requests", "get_file_contents", "push_files"],
    "linear": ["list_issues", "create_issue", "list_projects"],
    "docs": ["search", "fetch"],
}
OUTCOMES = ["ok", "ok", "ok", "ok", "ok", "tool_error", "ok", "ok", "refused", "ok", "ok", "upstream_error"]


def populate(now: datetime) -> dict[str, str]:
    """Fill the organization Acme of the first person; return the addresses of what was made."""
    owner = User.objects.get(email="admin@example.com")
    acme = Account.objects.open_organization("Acme Research", owner, by=cast.OPERATOR, now=now)
    people = populate_members(acme, owner, now)
    servers = [populate_server(acme, slug, tools, now) for slug, tools in TOOLS.items()]
    servers[-1].remember_failure("It does not answer: connection refused.", now=now)
    toolkits = populate_toolkits(acme, servers, now)
    tokens = populate_tokens([owner, *people], toolkits, now)
    populate_calls(tokens, now)
    return {
        "toolkit": f"/toolkits/{toolkits[0].pk}/", "empty toolkit": f"/toolkits/{toolkits[-1].pk}/",
        "toolkit edit": f"/toolkits/{toolkits[0].pk}/edit/", "server": f"/servers/{servers[0].pk}/",
        "failing server": f"/servers/{servers[-1].pk}/", "server sign-in": f"/servers/{servers[0].pk}/sign-in/",
        **{f"token {name}": f"/tokens/{token.public_id}/" for name, token in tokens.items()},
        "revoke": f"/tokens/{tokens['n8n'].public_id}/revoke/",
        "replace": f"/tokens/{tokens['n8n'].public_id}/replace/",
        "call": f"/activity/calls/{Call.objects.order_by('pk').last().pk}/",
        "member": f"/members/{acme.members.get(user=people[0]).pk}/", "organization": f"/organizations/{acme.pk}/",
        **populate_access(acme, owner, servers, toolkits, now),
    }  # fmt: skip


def populate_members(acme: Account, owner: User, now: datetime) -> list[User]:
    people = [cast.make_user(name) for name in ("Dora", "Bob", "Eve")]
    for person, role in zip(people, (Role.ADMIN, Role.MEMBER, Role.END_USER), strict=True):
        acme.add_member(person, role, by=cast.OPERATOR, now=now)
    Invitation.objects.invite(acme, "new@example.com", Role.MEMBER, inviter=owner, by=cast.OPERATOR, now=now)
    return people


def populate_server(acme: Account, slug: str, tools: Sequence[str], now: datetime) -> Server:
    server = cast.make_server(slug, tools, url=f"http://127.0.0.1:9/{slug}", account=acme, now=now)
    Server.objects.filter(pk=server.pk).update(description=f"What the people of {slug.title()} offer to programs.")
    server.refresh_from_db()
    return server


def populate_toolkits(acme: Account, servers: list[Server], now: datetime) -> list[Toolkit]:
    engineering = cast.make_toolkit(acme, "engineering", servers[0], TOOLS["github"][:4],
                                    description="Issues and pull requests, for the agents that triage.")  # fmt: skip
    engineering.add_server(servers[1], allowed=TOOLS["linear"][:2], by=cast.OPERATOR, now=now)
    support = cast.make_toolkit(acme, "support", servers[2], ["search"], description="Search of the handbook.")
    paused = cast.make_toolkit(acme, "night-shift", servers[1], ["list_issues"], name="Night shift")
    paused.pause(by=cast.OPERATOR, now=now)
    return [engineering, support, paused, cast.make_toolkit(acme, "drafts", name=LONG)]


def populate_tokens(people: list[User], toolkits: list[Toolkit], now: datetime) -> dict[str, DelegatedToken]:
    """One token in each state, and one with a long name."""
    made = {
        name: cast.make_token(person, toolkit, name, life=life, now=now - timedelta(days=6)).token
        for name, person, toolkit, life in (
            ("n8n", people[0], toolkits[0], timedelta(days=27)),
            ("Nightly report", people[0], toolkits[1], timedelta(days=8)),
            ("GitHub Actions", people[1], toolkits[0], timedelta(days=7)),
            ("Old laptop", people[0], toolkits[0], timedelta(days=20)),
            ("Paused robot", people[2], toolkits[0], timedelta(days=20)),
            ("Last week", people[0], toolkits[1], timedelta(days=5)),
            (LONG, people[0], toolkits[0], timedelta(days=30)),
        )
    }
    made["Old laptop"].revoke(by=cast.OPERATOR, reason="leaked", note="It was in a log.", now=now)
    made["Paused robot"].pause(by=cast.OPERATOR, now=now)
    return made


def populate_calls(tokens: dict[str, DelegatedToken], now: datetime) -> None:
    calls = [call_number(number, tokens, now) for number in range(400)]
    Call.objects.bulk_create(calls)
    count_calls()


def call_number(number: int, tokens: dict[str, DelegatedToken], now: datetime) -> Call:
    token = list(tokens.values())[number % 3]
    outcome = OUTCOMES[number % len(OUTCOMES)]
    fields: dict[str, Any] = {"tool": f"github__{TOOLS['github'][number % 6]}", "outcome": outcome, "hub_ms": 0.6}
    if outcome != "refused":
        fields["upstream_ms"] = 20 + number * 37 % 180
    return call_of(token, now - timedelta(minutes=3 * number + number % 7), **fields)


def populate_access(
    acme: Account, owner: User, servers: list[Server], toolkits: list[Toolkit], now: datetime
) -> dict[str, str]:
    """A connected application, an application of ours, a key, a webhook, an authorization."""
    application = cast.make_application(acme, "Release robot", client_id="Desk01234567", client_type="confidential")
    claude = cast.make_application(name="Claude Code")
    token, _ = cast.make_access_token(owner, toolkits[0], claude)
    key, _ = cast.make_key(owner, acme, ["tokens:read", "activity:read"])
    hook, _ = Webhook.objects.add(
        acme, url="http://127.0.0.1:9/hook", description="On call", kinds=["token.revoked"], by=cast.OPERATOR, now=now
    )
    servers[0].sign_in_by("bearer", by=cast.OPERATOR, now=now)
    held = Authorization.objects.connect(servers[0], acme, owner, Grant("s3cret"), by=cast.OPERATOR, now=now)
    return {
        "application": f"/applications/{application.client_id}/", "key": f"/settings/keys/{key.public_id}/",
        "connection": f"/tokens/applications/{token.session.connection.public_id}/",
        "webhook": f"/settings/webhooks/{hook.pk}/", "authorization": f"/authorizations/{held.pk}/",
    }  # fmt: skip


def main() -> None:
    with transaction.atomic():
        made = populate(timezone.now())
    print("POPULATED " + json.dumps(made))  # noqa: T201  the answer to who ran it
