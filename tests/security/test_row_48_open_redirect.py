"""Row 48: nobody is sent anywhere that was not registered, or does not belong to this portal."""

from urllib.parse import quote, urlsplit

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from tests import cast
from tests.security.pages import browser
from tests.tokens.oauth.authorizing import address_of, allow, answer_in
from tokens.models import Grant
from tokens.oauth import redirects

pytestmark = pytest.mark.django_db(databases="__all__")
SITE = "https://client.example/cb"
LOCAL = "http://127.0.0.1/cb"
OWN = "cursor://anysphere.cursor-mcp/oauth/callback"
VARIANTS = {
    SITE: [
        f"{SITE}?x=1", f"{SITE}?", f"{SITE};p", f"{SITE};p=1", f"{SITE}#f", f"{SITE}#", f"{SITE}/", f"{SITE}/../evil",
        f"{SITE}%2f..", f"{SITE}%00", f" {SITE}", f"{SITE} ", f"{SITE}\n", f"\t{SITE}", "https://client.example", "https://client.example/",
        "https://client.example/CB", "https://client.example:443/cb", "https://client.example:8443/cb", "https://client.example./cb",
        "https://evil@client.example/cb", "https://client.example@evil.example/cb", "https://client.example:x@evil.example/cb",
        "https://evil.example/cb", "https://evil.client.example/cb", "https://client.example.evil.example/cb",
        "http://client.example/cb", "//client.example/cb", "/\\client.example/cb", "https:client.example/cb", "https:/client.example/cb",
        "https:///client.example/cb", "https://client.example\\@evil.example/cb", "https://evil.example\\.client.example/cb",
        "https://client.example%2f@evil.example/cb", "https://client.example%40evil.example/cb", "https://[client.example/cb",
        "https://client.example／cb", "https://clıent.example/cb", "javascript:alert(1)", "data:text/html,x", "", "cb", "/cb", "%2f%2fevil.example",
    ],
    LOCAL: [
        "http://localhost/cb", "http://[::1]/cb", "https://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb", "http://127.0.0.1:80@evil.example/cb",
        "http://127.0.0.1:4000/cb/", "http://127.0.0.1:4000/cb?x=1", "http://127.0.0.1:4000/cb;p", "http://127.0.0.1:4000/cb#", "http://127.0.0.1:/cb",
        "http://127.0.0.1:99999/cb", "http://127.0.0.1:4000", "http://x@127.0.0.1:4000/cb", "http://127.1/cb", "http://2130706433/cb", "http://0.0.0.0/cb",
        "http://127.0.0.2/cb", "http://127.0.0.1:-1/cb", "http://127.0.0.1:4000\\@evil.example/cb", "HTTP://127.0.0.1/cb", "http://127.0.0.1:４０００/cb",
    ],
    OWN: [
        "cursor://anysphere.cursor-mcp/oauth/callback?x=1", "cursor://anysphere.cursor-mcp/oauth/callback/", "cursor://evil/oauth/callback",
        "cursor:oauth/callback", "Cursor://anysphere.cursor-mcp/oauth/callback", "vscode://anysphere.cursor-mcp/oauth/callback",
        "cursor://x@anysphere.cursor-mcp/oauth/callback", "cursor://anysphere.cursor-mcp:1/oauth/callback",
    ],
}  # fmt: skip


@pytest.mark.parametrize("registered", VARIANTS, ids=["site", "loopback", "own scheme"])
def test_no_variant_of_a_registered_address_is_taken(alice, work, registered):
    application, person = cast.make_application(redirect_uris=registered), browser(alice)
    for variant in VARIANTS[registered]:
        address = address_of(application, redirect_uri=variant)
        for answer in (person.get(address), allow(person, address, work)):
            if variant == "" and answer.status_code != 400:
                continue  # not sent at all: the one that is registered
            assert answer.status_code == 400, variant
            assert "Location" not in answer, variant
            assert f'href="{variant}"' not in answer.content.decode(), variant
    assert "code" in answer_in(allow(person, address_of(application, redirect_uri=registered), work))
    assert {redirect for redirect in Grant.objects.values_list("redirect_uri", flat=True)} == {registered}


BAD = [
    "javascript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "http://client.example/cb", "ftp://client.example/cb",
    "mailto:a@b.example", "about:blank", "https://client.example/cb#f", "https://a@client.example/cb", f"{SITE}?iss=evil", f"{SITE}?code=1",
    "https://client.example;script-src%20*/cb", "https://client.example,evil/cb", "https:///cb", "blob:https://client.example/1", "/cb", "cb",
]  # fmt: skip


@pytest.mark.parametrize("uri", BAD)
def test_what_must_not_be_registered_is_not_used_even_if_it_was(alice, work, uri):
    application = cast.make_application(redirect_uris=uri)
    for changes in ({"redirect_uri": uri}, {"redirect_uri": None}):
        assert browser(alice).get(address_of(application, **changes)).status_code == 400


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_is_added_makes_another_address(before, after):
    for registered in (SITE, OWN):
        assert redirects.is_registered(before + registered + after, [registered]) == (not before and not after)


def test_an_unknown_site_that_registered_itself_is_no_open_redirect(alice, work):
    """RFC 9700 section 4.11.2: with a request that is wrong on purpose, a link to us would lead to anybody's site."""
    application, person = cast.make_application(redirect_uris=SITE), browser(alice)
    for changes in ({"scope": "wrong"}, {"response_type": "token"}, {"prompt": "none"}):
        answer = person.get(address_of(application, redirect_uri=SITE, **changes))
        assert answer.status_code == 400
        assert "if you know it" in answer.content.decode()
        assert "refresh" not in answer.content.decode()
    nobody = browser().get(address_of(application, redirect_uri=SITE, prompt="none"))
    assert nobody.status_code == 400
    answer_in(allow(person, address_of(application, redirect_uri=SITE), work))
    assert answer_in(person.get(address_of(application, redirect_uri=SITE, scope="wrong")))["error"] == "invalid_scope"


def test_a_site_that_an_admin_registered_is_told_at_once(alice, acme, work):
    application = cast.make_application(acme, redirect_uris=SITE)
    answer = answer_in(browser(alice).get(address_of(application, redirect_uri=SITE, scope="wrong")))
    assert (answer["error"], answer["iss"]) == ("invalid_scope", settings.NEXUS_BASE_URL)


NEXT = ["//evil.example", "/\\evil.example", "https:evil.example", "https://evil.example", "///evil.example", "\\\\evil.example",
        "javascript:alert(1)", "/%09/evil.example", "%2f%2fevil.example"]  # fmt: skip


@pytest.mark.parametrize("wanted", NEXT)
def test_no_page_of_ours_leads_to_others_after_a_password(alice, acme, wanted):
    alice.emailaddress_set.create(email=alice.email, verified=True, primary=True)
    for path, data in (("/accounts/login/", {"login": alice.email, "password": cast.PASSWORD}),
                       ("/accounts/confirm/", {"password": cast.PASSWORD}), ("/accounts/logout/", {})):  # fmt: skip
        person = browser() if "login" in path else browser(alice)
        for way in (path, f"{path}?next={quote(wanted, safe='')}"):
            location = person.post(way, data | {"next": wanted})["Location"]
            parts = urlsplit(location)
            assert not parts.scheme, (path, location)
            assert not parts.netloc, (path, location)
            assert not location.startswith(("//", "/\\", "\\")), (path, location)
            person = browser() if "login" in path else browser(alice)
