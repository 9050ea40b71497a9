"""Row 56: of a whole day with its failures, no line of any log holds a secret, a part of one, or what a tool was told."""

import io
import logging
from datetime import timedelta

import pytest
import structlog
from django.utils import timezone

from nexus import logs
from profiles.models import Authorization, Grant, SignInLink
from tests import cast, rest
from tests.live import free_port
from tests.receivers import running_receiver
from tests.security.conftest import EVERYTHING
from tests.security.pages import browser, install
from tokens import keys, reminding, tasks, webhooks
from tokens.models import DelegatedToken, Webhook
from tokens.scopes import SCOPES

pytestmark = [EVERYTHING, pytest.mark.sqlite]
ARGUMENT = "what-a-tool-was-told-is-nobody-elses-business"
CREDENTIAL, PASSWORD = "credential-of-the-upstream-server-itself", "a password of nobody that is wrong"
PART = 20  # characters in a row that nobody may find


@pytest.fixture
def lines():
    """Return what is logged from here on as our handler writes it: our own at DEBUG, libraries as in production."""
    output, root, ours = io.StringIO(), logging.getLogger(), logging.getLogger("nexus")
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=logs.SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
    )
    handler, level = logging.StreamHandler(output), ours.level
    handler.setFormatter(formatter)
    root.addHandler(handler)
    ours.setLevel(logging.DEBUG)
    yield output
    ours.setLevel(level)
    root.removeHandler(handler)


@pytest.fixture
def signed_in_upstream(scene):
    """Have the upstream server want a credential, which the hub sends with each call."""
    now, server = timezone.now(), scene.work.servers.get()
    server.sign_in_by("bearer", by=cast.OPERATOR, now=now)
    Authorization.objects.connect(server, scene.acme, scene.alice, Grant(CREDENTIAL), by=cast.OPERATOR, now=now)


def begin(scene) -> list[str]:
    """Sign in, rightly and wrongly; issue by page, by REST, and for an application. Return every secret."""
    for password in (PASSWORD, cast.PASSWORD):
        browser().post("/accounts/login/", {"login": scene.alice.email, "password": password})
    link = SignInLink.objects.make(scene.bob, by=cast.OPERATOR, now=timezone.now())
    browser().post(f"/accounts/link/{link}/")
    browser().post(f"/accounts/link/{link}/")
    shown = keys.ANYWHERE.search(install(browser(scene.alice), scene.work, name="page").content.decode())
    ask = rest.key(scene.alice, scene.acme, *SCOPES)
    wish = {"profile": "work", "name": "rest", "expires_in": 3600}
    issued = ask("post", "tokens", wish, Idempotency_Key="once").json()
    _, access = cast.make_access_token(scene.alice, scene.work, cast.make_application())
    key = ask.headers["Authorization"].split()[1]
    return [scene.secret, shown[0], issued["token"], access, key, link]


def call(scene, secrets):
    """Call, be refused for each reason, and put the secret wherever it does not belong."""
    told = {"text": ARGUMENT}
    for secret in secrets:
        scene.live.tool(secret, "echo__echo", told)
        scene.live.tool(secret, "echo__add", told)
        scene.live.tool(secret, secret, told)
        scene.live.tool(secret[:-1] + "x", "echo__echo", told)
        scene.live.call(secret, "tools/call", told, url=f"/hub/mcp?profile={secret}")
        bearer = {"Authorization": f"Bearer {secret}"}
        scene.live.request("POST", "/hub/mcp", content=f'{{"broken {secret} {ARGUMENT}', headers=bearer)
        scene.live.request("GET", f"/hub/mcp?access_token={secret}", headers={"Cookie": f"a={secret}"})
        scene.live.request("GET", f"/{secret}/?next={secret}", headers={"User-Agent": secret, "Referer": secret})
        for path in ("/api/v1/tokens", f"/api/v1/tokens/{secret}", "/oauth/token", "/oauth/revoke"):
            scene.live.request("POST", path, data={"token": secret, "code": secret}, headers=bearer)
        browser(scene.alice).get("/tokens/", {"q": secret})


def end(scene, settings, url):
    """Remind by mail that is taken and by one that is not, send webhooks that arrive and that do not, and revoke."""
    now, by = timezone.now(), cast.OPERATOR
    hooks = [
        Webhook.objects.add(scene.acme, url=each, description="", kinds=["token.revoked"], by=by, now=now)
        for each in (url, f"http://127.0.0.1:{free_port()}/")
    ]
    token = DelegatedToken.objects.get(name="page")
    reminding.send_due(token.expires_at - timedelta(hours=2))
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    reminding.send_due(token.expires_at + timedelta(minutes=1))
    cast.make_key(scene.bob, scene.acme)  # of which nobody can be mailed
    for each in DelegatedToken.objects.all():
        each.revoke(by=by, reason="leaked", now=now)
    webhooks.send_due(clock=timezone.now)
    with pytest.raises(OSError):
        tasks.mail_revoked(token.pk, "staff")
    return [secret for _, secret in hooks]


def parts(secret: str) -> set[str]:
    """Return every part of the secret that is long enough to be looked for; its public id is no secret."""
    hidden = secret.rpartition("_")[2] if keys.ANYWHERE.fullmatch(secret) else secret
    return {hidden[at : at + PART] for at in range(max(len(hidden) - PART, 0) + 1)}


def test_no_log_line_of_a_whole_day_holds_a_secret_or_an_argument(scene, signed_in_upstream, lines, settings):
    before = len(scene.live.log)
    secrets = begin(scene)
    call(scene, secrets)
    with running_receiver() as receiver:
        secrets += end(scene, settings, receiver.url)
        assert receiver.received
    assert scene.live.tool(scene.secret, "echo__echo", {"text": ARGUMENT}).status_code == 401
    logged = {"the process of the test": lines.getvalue(), "the live hub": scene.live.log[before:]}
    for place, text in logged.items():
        assert len(text.splitlines()) > 10, place
        assert not keys.ANYWHERE.search(text), place
        for secret in (*secrets, CREDENTIAL, PASSWORD, cast.PASSWORD, ARGUMENT):
            assert [part for part in parts(secret) if part in text] == [], place
