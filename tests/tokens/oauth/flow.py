"""A client at the token endpoint, and codes that were agreed to without the page."""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.test import Client
from django.utils import timezone

from profiles.models import Toolkit, User
from tests import cast
from tokens.models import Application, Connection, Grant
from tokens.models.connections import CODE_LIFE, SESSION_LIFE

VERIFIER = "v" * 43
REDIRECT = "http://127.0.0.1:4711/callback"
SECRET = "s3cret-of-a-machine-that-nobody-guesses"


def challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def make_code(
    owner: User, toolkit: Toolkit, application: Application, now: datetime | None = None,
    session_life: timedelta = SESSION_LIFE, **fields: Any,
) -> str:  # fmt: skip
    """Return an authorization code as the consent page gives it: agreed to, for a minute, with PKCE S256."""
    now, code = now or timezone.now(), secrets.token_urlsafe(32)
    connection = Connection.objects.connect(application, owner, toolkit, scope="mcp", by=cast.OPERATOR, now=now)
    Grant.objects.create(
        code=code, user=owner, application=application, connection=connection, redirect_uri=REDIRECT,
        **{
            "expires": now + CODE_LIFE, "session_ends_at": now + session_life, "scope": "mcp",
            "code_challenge": challenge_of(VERIFIER), "code_challenge_method": "S256",
            "resource": [f"{settings.NEXUS_BASE_URL}/hub/mcp"],
        } | fields,
    )  # fmt: skip
    return code


def make_confidential(account=None, name="Robot", **fields: Any) -> Application:
    return cast.make_application(
        account, name, client_type=Application.CLIENT_CONFIDENTIAL, client_secret=SECRET, **fields
    )


def make_machine(account, *toolkits: Toolkit, name="Nightly job", role="end_user") -> Application:
    """An application of client credentials; its machine may use these toolkits."""
    user = User.objects.create(email=f"{name.replace(' ', '-').lower()}@machines.example.com", is_machine=True)
    member = account.members.create(user=user, role=role)
    for toolkit in toolkits:
        toolkit.assigned_members.add(member)
    return make_confidential(account, name, authorization_grant_type="client-credentials", machine=user)


def basic(client_id: str, secret: str = SECRET) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


@dataclass
class Program:
    """A client program that posts forms; `application` None says nothing of who it is."""

    application: Application | None
    headers: dict[str, str] = field(default_factory=dict)
    http: Client = field(default_factory=Client)

    def post(self, path: str, headers: dict[str, str] | None = None, **form: Any):
        if self.application is not None:
            form = {"client_id": self.application.client_id} | form
            if self.application.client_type == Application.CLIENT_CONFIDENTIAL:
                form = {"client_secret": SECRET} | form
        form = {name: value for name, value in form.items() if value is not None}
        return self.http.post(
            path,
            encoded(form),
            content_type="application/x-www-form-urlencoded",
            headers=self.headers | (headers or {}),
        )

    def redeem(self, code: str, **form: Any):
        return self.post(
            "/oauth/token",
            **{
                "grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER, "redirect_uri": REDIRECT,
            } | form,
        )  # fmt: skip

    def refresh(self, token: str, **form: Any):
        return self.post("/oauth/token", **({"grant_type": "refresh_token", "refresh_token": token} | form))

    def credentials(self, **form: Any):
        return self.post("/oauth/token", **({"grant_type": "client_credentials"} | form))


def encoded(form: dict[str, Any]) -> str:
    return urlencode(form, doseq=True)


def error_of(answer) -> tuple[int, str]:
    """Return status and code of a refusal, which always has a sentence in plain characters."""
    content = answer.json()
    description = content["error_description"]
    assert len(description) > 8
    assert all(" " <= character <= "~" and character not in '"\\' for character in description), description
    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Request-Id"]
    return answer.status_code, content["error"]
