"""Row 37: a token that is kept to address ranges is of no use elsewhere, whatever the request says of its origin."""

import pytest
from django.utils import timezone

from tests import cast
from tests.hub.conftest import run_in_thread as in_thread
from tests.hub.conftest import running_hub
from tests.hub.upstream import running_upstream
from tests.security.conftest import EVERYTHING
from tokens.models import DelegatedToken

pytestmark = EVERYTHING
RANGES = ["10.0.0.0/8", "2001:db8::/32"]
CLAIMS = ["10.0.0.1", "::ffff:10.0.0.1", "010.0.0.1", "10.0.0.1, 10.0.0.1", "", "unknown", "_hidden", "fe80::1%eth0",
          "0x0a000001", "167772161", "10.1", "10.0.0.1:80:80"]  # fmt: skip


def prepare(upstream, ranges=RANGES):
    alice = cast.make_user("Alice")
    server = cast.make_server(url=upstream.url)
    server.remember_tools(cast.raw(*upstream.tools), now=timezone.now())
    toolkit = cast.make_toolkit(alice.personal_account, "work", server, allowed=["echo"])
    return cast.make_token(alice, toolkit, networks=ranges)


async def call(client, secret, peer, **headers):
    sent = {"authorization": f"Bearer {secret}", "content-type": "application/json", **headers}
    body = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo__echo","arguments":{}}}'
    return await client.send("POST", "/hub/mcp", body, headers=sent, peer=peer)


async def test_it_is_taken_from_its_ranges_only_and_the_refusal_names_the_address():
    async with running_upstream() as upstream:
        secret = (await in_thread(prepare, upstream)).key.text
        async with running_hub() as client:
            for peer in ("10.0.0.1", "10.255.255.255", "2001:db8:1::1", "::ffff:10.0.0.1", "::ffff:a00:1"):
                assert (await call(client, secret, peer)).status == 200, peer
            others = {
                "11.0.0.1": "11.0.0.1",
                "2001:db9::1": "2001:db9::1",
                "::ffff:11.0.0.1": "11.0.0.1",
                "::10.0.0.1": "::a00:1",
            }
            for peer, shown in others.items():
                refused = await call(client, secret, peer)
                assert refused.status == 403, peer
                assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]
                assert refused.json["error"]["data"]["reason"] == "address"
                assert refused.json["error"]["data"]["address"] == shown
            assert len(upstream.calls) == 5


@pytest.mark.parametrize("claim", CLAIMS, ids=range(len(CLAIMS)))
async def test_without_a_trusted_proxy_no_header_counts(claim):
    async with running_upstream() as upstream:
        secret = (await in_thread(prepare, upstream)).key.text
        async with running_hub() as client:
            for name in ("x-forwarded-for", "forwarded", "x-real-ip", "cf-connecting-ip", "true-client-ip"):
                assert (await call(client, secret, "203.0.113.9", **{name: claim})).status == 403, name
        assert upstream.calls == []


@pytest.mark.parametrize("claim", CLAIMS[2:], ids=range(len(CLAIMS) - 2))
async def test_behind_a_proxy_what_is_no_address_is_denied_though_the_proxy_is_within(claim, settings):
    settings.NEXUS_TRUSTED_PROXIES = 1
    async with running_upstream() as upstream:
        secret = (await in_thread(prepare, upstream)).key.text
        async with running_hub() as client:
            answer = await call(client, secret, "10.0.0.1", **{"x-forwarded-for": claim + ", nonsense"})
            assert answer.status == 403
            assert "is not known" in answer.json["error"]["message"]
            assert "NEXUS_TRUSTED_PROXIES" in answer.json["error"]["message"]
        assert upstream.calls == []


async def test_behind_a_proxy_the_address_that_it_saw_counts_and_claims_before_it_do_not(settings):
    settings.NEXUS_TRUSTED_PROXIES = 1
    async with running_upstream() as upstream:
        secret = (await in_thread(prepare, upstream)).key.text
        async with running_hub() as client:
            seen = {"203.0.113.9, 10.0.0.1": 200, "10.0.0.1, 203.0.113.9": 403, "::ffff:10.0.0.1": 200, "": 403}
            for forwarded, status in seen.items():
                assert (await call(client, secret, "10.0.0.1", **{"x-forwarded-for": forwarded})).status == status
            assert (await call(client, secret, "10.0.0.1")).status == 403  # past the proxy
            assert len(upstream.calls) == 2


@pytest.mark.parametrize("peer", ["", "unix:", "localhost", "testclient"], ids=["none", "socket", "name", "word"])
async def test_a_client_whose_address_is_not_known_is_denied(peer):
    async with running_upstream() as upstream:
        secret = (await in_thread(prepare, upstream, ["0.0.0.0/0", "::/0"])).key.text
        async with running_hub() as client:
            answer = await call(client, secret, peer)
            assert answer.status == 403
            assert "is not known" in answer.json["error"]["message"]


async def test_verify_and_streams_are_no_way_around_it():
    async with running_upstream() as upstream:
        secret = (await in_thread(prepare, upstream)).key.text
        async with running_hub() as client:
            bearer = {"authorization": f"Bearer {secret}"}
            for method, path in (
                ("GET", "/hub/token/verify"),
                ("GET", "/hub/mcp"),
                ("DELETE", "/mcp"),
                ("POST", "/mcp"),
            ):
                assert (await client.send(method, path, headers=bearer)).status == 403, (method, path)
            assert (await client.send("GET", "/hub/token/verify", headers=bearer, peer="10.0.0.1")).status == 200


async def test_a_stolen_successor_does_not_take_over_from_elsewhere():
    async with running_upstream() as upstream:
        issued = await in_thread(prepare, upstream)
        made = await in_thread(lambda: issued.token.replace(by=cast.OPERATOR, now=timezone.now()))
        async with running_hub() as client:
            assert (await call(client, made.key.text, "203.0.113.9")).status == 403
            assert await in_thread(lambda: DelegatedToken.objects.get(pk=made.token.pk).stage) == "pending"
            assert (await call(client, made.key.text, "10.0.0.1")).status == 200


async def test_a_disabled_owner_is_refused_from_the_right_address_too():
    async with running_upstream() as upstream:
        issued = await in_thread(prepare, upstream)
        async with running_hub() as client:
            assert (await call(client, issued.key.text, "10.0.0.1")).status == 200
            await in_thread(lambda: issued.token.owner.disable(by=cast.OPERATOR, now=timezone.now()))
            assert (await call(client, issued.key.text, "10.0.0.1")).status == 401
