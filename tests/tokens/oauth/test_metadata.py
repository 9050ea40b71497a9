"""What clients read first, at every address where they look."""

import re
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.urls import Resolver404, resolve

pytestmark = pytest.mark.django_db

RESOURCE = "/.well-known/oauth-protected-resource"
DESCRIPTIONS = [
    f"/.well-known/{place}{path}"
    for place in ("oauth-authorization-server", "openid-configuration")
    for path in ("", "/hub/mcp", "/mcp")
] + [
    f"{path}/.well-known/{place}"
    for place in ("oauth-authorization-server", "openid-configuration")
    for path in ("/hub/mcp", "/mcp")
]
QUERIES = [
    "accountId=7f0a1c9e-5a0e-4c67-9b69-2a4e3f2a0d11&profile=work",
    "profile=work&accountId=7F0A1C9E-5a0e-4c67-9b69-2a4e3f2a0d11",
    "profile=caf%C3%A9%20x",
    "profile=a+b",
    "profile=<b>",
    "profile=work&utm_source=mail&flag",
    "profile=work&",
    "x[]={1|2}^~`'(a),;:@/?!$*",
    "%61ccountId=x",
]


@pytest.mark.parametrize("path", ["", "/hub/mcp", "/mcp"])
def test_the_resource_has_what_rfc_9728_wants(client, settings, path):
    answer = client.get(RESOURCE + path)
    document = answer.json()
    assert answer.status_code == 200
    assert document["resource"] == f"{settings.NEXUS_BASE_URL}{path or '/hub/mcp'}"
    assert document["authorization_servers"] == [settings.NEXUS_BASE_URL]
    assert document["bearer_methods_supported"] == ["header"]
    assert document["scopes_supported"] == ["mcp"]
    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "public, max-age=300"


@pytest.mark.parametrize("query", QUERIES)
def test_the_query_comes_back_byte_for_byte(client, settings, query):
    document = client.get(f"{RESOURCE}/hub/mcp?{query}").json()
    assert document["resource"] == f"{settings.NEXUS_BASE_URL}/hub/mcp?{query}"


@pytest.mark.parametrize(
    "query",
    [
        'profile="work"', "profile=a\\b", "profile=a\tb", "profile=a b", "profile=é", "a=b#c",
        "profile=work&profile=play", "accountId=1&accountId=1", "a=" + "b" * 2000, "access_token=x", "token=x",
        "api%5fkey=x", "&".join("a=b" for _ in range(101)),
    ],
    ids=range(13),
)  # fmt: skip
def test_a_query_that_names_no_resource_is_refused(client, query):
    answer = client.get(f"{RESOURCE}/hub/mcp", QUERY_STRING=query)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert answer["Cache-Control"] == "no-store"


def test_a_token_in_the_query_is_refused_before_anything_repeats_it(client):
    secret = "nxs_" + "a" * 12 + "_" + "b" * 49
    answer = client.get(f"{RESOURCE}/hub/mcp?profile={secret}")
    assert answer.status_code == 400
    assert secret not in answer.text


@pytest.mark.parametrize("path", DESCRIPTIONS)
def test_every_address_describes_the_same_server(client, settings, path):
    answer = client.get(path)
    document, base = answer.json(), settings.NEXUS_BASE_URL
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "public, max-age=300"
    assert document["issuer"] == base
    # RFC 8414 section 2: required, or without a default that would be true
    assert document["authorization_endpoint"] == f"{base}/oauth/authorize"
    assert document["token_endpoint"] == f"{base}/oauth/token"
    assert document["registration_endpoint"] == f"{base}/oauth/register"
    assert document["response_types_supported"] == ["code"]
    assert document["response_modes_supported"] == ["query"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert set(document["token_endpoint_auth_methods_supported"]) == {
        "none", "client_secret_post", "client_secret_basic"
    }  # fmt: skip
    assert set(document["grant_types_supported"]) == {
        "authorization_code", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"
    }  # fmt: skip
    assert document["authorization_response_iss_parameter_supported"] is True
    assert "none" not in document["introspection_endpoint_auth_methods_supported"]
    assert document["protected_resources"] == [f"{base}/hub/mcp"]


def test_it_names_documents_as_client_ids_only_where_they_are_read(client, settings):
    place = DESCRIPTIONS[0]
    assert client.get(place).json()["client_id_metadata_document_supported"] is False
    settings.OAUTH2_PROVIDER = {**settings.OAUTH2_PROVIDER, "CIMD_ENABLED": True}
    assert client.get(place).json()["client_id_metadata_document_supported"] is True


@pytest.mark.parametrize("path", [RESOURCE, f"{RESOURCE}/mcp", *DESCRIPTIONS[:2]])
def test_other_methods_are_refused(path):
    client = Client(enforce_csrf_checks=True)
    assert client.head(path).status_code == 200
    for method in ("post", "put", "patch", "delete"):
        answer = getattr(client, method)(path)
        assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize(
    "path", [f"{RESOURCE}/other", f"{DESCRIPTIONS[0]}/tenant", "/other/.well-known/openid-configuration"]
)
def test_nothing_else_is_described(path):
    with pytest.raises(Resolver404):
        resolve(path)


def test_a_signed_in_browser_reads_the_same(client, alice):
    before = client.get(DESCRIPTIONS[0]).json()
    client.force_login(alice)
    assert client.get(DESCRIPTIONS[0]).json() == before


@pytest.mark.django_db(transaction=True, databases="__all__")
class TestFollowingTheRefusalOfTheHub:
    """As a client does: the 401 names the resource's document, which names the server, whose document is there."""

    @pytest.mark.parametrize("path", ["/hub/mcp", "/mcp"])
    @pytest.mark.parametrize("query", ["", *QUERIES])
    def test_step_by_step(self, live, path, query):
        asked = f"{live.base}{path}" + (f"?{query}" if query else "")
        status, answer = live.raw(
            f"POST {asked.removeprefix(live.base)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        named = re.search(rb'resource_metadata="([^"]+)"', answer)
        assert status == 401
        parts = urlsplit(named[1].decode())
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        status, answer = live.raw(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        assert status == 200
        assert b'"resource": "%b"' % asked.encode() in answer
        server = re.search(rb'"authorization_servers": \["([^"]+)"\]', answer)[1].decode()
        assert live.request("GET", f"{server}/.well-known/oauth-authorization-server").json()["issuer"] == server

    def test_bytes_that_are_no_text_are_refused(self, live):
        for query in (b"profile=\xff\xfe", b"profile=\xc3\xa9", b'profile="x"'):
            status, _ = live.raw(
                b"GET "
                + RESOURCE.encode()
                + b"/hub/mcp?"
                + query
                + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            )
            assert status == 400, query
