"""Row 61: field keys rotate; one that is still in use is missed before anything is asked for, and then nothing breaks."""

import io

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.utils import timezone

from nexus import checks
from profiles import encryption
from profiles.models import Authorization, Grant
from tests import cast
from tests.factors import with_app
from tests.security.pages import browser
from tests.security.test_row_76_production_start import start
from tokens.models import Webhook

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
NEWER = "a newer key of fifty random characters, or so it is said"
STORED = 6  # secrets: two of an authorization, one of a server, one of a webhook, an app and its recovery codes


@pytest.fixture
def stored(alice, acme):
    """Everything that is stored encrypted, written with the key of now."""
    now, by = timezone.now(), cast.OPERATOR
    server = cast.make_server("notes", account=acme)
    server.sign_in_by("oauth", oauth_client_id="nexus", client_secret="client-secret", by=by, now=now)
    Authorization.objects.connect(server, acme, alice, Grant("access-secret", "refresh-secret"), by=by, now=now)
    hook, _ = Webhook.objects.add(
        acme, url="http://127.0.0.1:9/", description="", kinds=["token.revoked"], by=by, now=now
    )
    with_app(alice)
    return server, Authorization.objects.get(), hook


def check(*options):
    """Run `check --deploy`, and return what it says of stored secrets."""
    try:
        call_command("check", "--deploy", *options, stdout=io.StringIO(), stderr=io.StringIO())
    except SystemCheckError as error:
        return str(error)
    return ""


def test_an_older_key_reads_is_rewritten_and_may_then_go(settings, stored):
    settings.NEXUS_FIELD_KEYS = [NEWER, *settings.NEXUS_FIELD_KEYS]
    assert checks.dropped_field_keys(None) == []
    assert Authorization.objects.get().secret == "access-secret"
    out = io.StringIO()
    call_command("rotate_field_keys", stdout=out)
    assert out.getvalue().startswith(f"{STORED} stored")
    settings.NEXUS_FIELD_KEYS = [NEWER]
    assert checks.dropped_field_keys(None) == []
    assert Authorization.objects.get().refresh_token == "refresh-secret"


def test_dropping_a_key_that_is_in_use_is_refused_with_the_count(settings, stored):
    settings.NEXUS_FIELD_KEYS = [NEWER]
    said = check()
    assert "nexus.E010" in said
    assert f"{STORED} stored secret(s) need a key" in said
    assert NEWER not in said
    assert "rotate_field_keys" in said


def test_a_key_that_comes_back_is_enough(settings, stored):
    before = settings.NEXUS_FIELD_KEYS
    settings.NEXUS_FIELD_KEYS = [NEWER]
    assert encryption.out_of_reach() == STORED - 2
    settings.NEXUS_FIELD_KEYS = [NEWER, *before]
    assert "nexus.E010" not in check()


def test_a_missing_key_stops_the_start(tmp_path):
    ended = start(tmp_path, "-m", "uvicorn", "nexus.asgi:application", "--port", "PORT", NEXUS_FIELD_KEYS="")
    assert ended.returncode != 0
    assert "NEXUS_FIELD_KEYS" in ended.stderr + ended.stdout


def test_without_the_key_no_page_breaks_and_nothing_is_lost(settings, stored, alice):
    server, authorization, hook = stored
    before = Authorization.objects.values_list("encrypted_secret", flat=True).get()
    settings.NEXUS_FIELD_KEYS = [NEWER]
    client = browser(alice, raise_request_exception=False)
    asked = {
        "get": [
            f"/servers/{server.pk}/", f"/servers/{server.pk}/edit/", f"/servers/{server.pk}/sign-in/",
            "/authorizations/", f"/authorizations/{authorization.pk}/", f"/authorizations/connect/{server.pk}/",
            f"/settings/webhooks/{hook.pk}/", f"/settings/webhooks/{hook.pk}/edit/", "/settings/security/",
            "/settings/security/codes/", "/accounts/confirm/", "/api/v1/servers", f"/api/v1/webhooks/{hook.pk}",
        ],
        "post": [
            f"/settings/webhooks/{hook.pk}/test/", f"/servers/{server.pk}/list/", "/accounts/confirm/factor/",
            f"/authorizations/connect/{server.pk}/", f"/settings/webhooks/{hook.pk}/secret/",
            "/settings/security/codes/", f"/authorizations/{authorization.pk}/end/",
        ],
    }  # fmt: skip
    broken = [
        (method, path, answer.status_code)
        for method, paths in asked.items()
        for path in paths
        if (answer := getattr(client, method)(path, {"code": "123456"})).status_code >= 500
    ]
    assert broken == []
    assert Authorization.objects.filter(encrypted_secret__in=["", before]).exists()
