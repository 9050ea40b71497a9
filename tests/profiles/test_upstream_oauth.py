"""Signing in at a real MCP server behind OAuth, in the pages and in the hub."""

import asyncio
import html
import re
import threading
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db import connection, connections
from django.utils import timezone

from nexus.hub.authority import Database
from nexus.hub.credentials import Credentials
from profiles import connecting
from profiles.listing import list_again
from profiles.models import Authorization, Registration, Server, Toolkit
from profiles.upstream.discovery import leg_to
from profiles.upstream.errors import NotConnected
from tests import cast
from tests.oauth_upstream import running_protected
from tests.security.pages import browser
from tests.upstreams import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]


@pytest.fixture(scope="module")
def _process():
    with running_protected() as protected:
        yield protected


@pytest.fixture
def protected(_process):
    _process.documents.clear()
    _process.provider.__init__()
    return _process


@pytest.fixture
def notes(acme, protected) -> Server:
    server = cast.make_server("notes", tools=[], url=protected.url, account=acme)
    server.sign_in_by("oauth", by=cast.OPERATOR, now=timezone.now())
    return server


@pytest.fixture
def work(acme, notes) -> Toolkit:
    return cast.make_toolkit(acme, "work", notes)


def text(answer) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode()))


def begin(client, server) -> str:
    """Press Begin; return the address of the link that is shown."""
    page = client.post(f"/authorizations/connect/{server.pk}/")
    assert page.status_code == 200, text(page)
    return html.unescape(re.search(r'class="button primary" href="([^"]+)"', page.content.decode())[1])


def sign_in(client, protected, server, person="alice"):
    protected.provider.person = person
    back = protected.visit(begin(client, server))
    return client.get("/authorizations/callback", back, follow=True)


def soon_over(authorization, **changes) -> Authorization:
    """Let the token have been given long ago, and end in half a minute."""
    now = timezone.now()
    given = {"created_at": now - timedelta(hours=1), "expires_at": now + timedelta(seconds=30), **changes}
    Authorization.objects.filter(pk=authorization.pk).update(**given)
    return Authorization.objects.select_related("server", "account", "owner").get(pk=authorization.pk)


def test_a_person_signs_in_and_the_server_s_tools_are_there(protected, notes, alice):
    answer = sign_in(browser(alice), protected, notes)
    assert "is connected, and shows 1 tool." in text(answer)
    assert list(notes.tools.values_list("name", flat=True)) == ["whoami"]
    found = Authorization.objects.get()
    assert (found.owner, found.scopes, found.visibility) == (alice, "notes", "user")
    assert timedelta(minutes=55) < found.expires_at - timezone.now() < timedelta(minutes=65)


def test_the_link_asks_for_what_the_specification_wants(protected, notes, alice):
    address = begin(browser(alice), notes)
    for part in ("code_challenge_method=S256", "state=", "scope=notes", "resource=http%3A%2F%2F127.0.0.1"):
        assert part in address
    assert "redirect_uri=http%3A%2F%2Flocalhost%3A8800%2Fauthorizations%2Fcallback&" in address


def test_nexus_registers_once_for_everybody(protected, notes, alice, bob):
    sign_in(browser(alice), protected, notes)
    sign_in(browser(bob), protected, notes, "bob")
    assert protected.provider.registered == 1
    assert Registration.objects.count() == 1
    assert Authorization.objects.count() == 2


def test_a_registration_that_is_no_longer_known_is_made_again(protected, notes, alice):
    client = browser(alice)
    back = protected.visit(begin(client, notes))
    protected.provider.clients.clear()
    assert "invalid_client" in text(client.get("/authorizations/callback", back, follow=True))
    assert not Registration.objects.exists()
    assert "is connected" in text(sign_in(client, protected, notes))


def test_nothing_that_was_given_lies_in_plain_in_any_table(protected, notes, alice):
    client = browser(alice)
    sign_in(client, protected, notes)
    begin(client, notes)  # a sign-in under way, in the session
    given = protected.secrets()
    assert len(given) == 3
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            rows = repr(cursor.fetchall())
            assert not [secret for secret in given if secret in rows], table
    kept = [str(session.get_decoded()) for session in Session.objects.all()]
    assert not [words for words in kept if "verifier" in words or "http" in words]


def test_a_sign_in_is_good_once_and_only_in_the_browser_that_began_it(protected, notes, alice, bob):
    client = browser(alice)
    back = protected.visit(begin(client, notes))
    for stranger in (browser(alice), browser(bob)):
        assert "was not begun in this browser" in text(stranger.get("/authorizations/callback", back, follow=True))
    assert not Authorization.objects.exists()
    assert "is connected" in text(client.get("/authorizations/callback", back, follow=True))
    assert "was not begun in this browser" in text(client.get("/authorizations/callback", back, follow=True))
    assert Authorization.objects.count() == 1


def test_a_sign_in_that_took_too_long_begins_again(protected, notes, alice):
    now, session = timezone.now(), {}
    later = now + connecting.SIGN_IN_LIFE
    address = connecting.begin(session, notes, notes.account, alice, now=now)
    state = re.search(r"state=([^&]+)", address)[1]
    assert connecting.begun(session, state, alice, now=later) is None
    assert session["sign_ins"] == {}


@pytest.mark.parametrize("issuer", ["https://evil.example.com", ""])
def test_an_answer_of_another_authorization_server_is_refused(protected, notes, alice, issuer):
    client = browser(alice)
    back = protected.visit(begin(client, notes)) | {"iss": issuer}
    assert "another authorization server" in text(client.get("/authorizations/callback", back, follow=True))
    assert not Authorization.objects.exists()


def test_an_answer_must_name_its_issuer_where_that_was_promised(protected, notes, alice):
    client = browser(alice)
    origin = protected.url.removesuffix("/mcp")
    promised = {
        "issuer": origin, "authorization_endpoint": f"{origin}/authorize", "token_endpoint": f"{origin}/token",
        "registration_endpoint": f"{origin}/register", "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "authorization_response_iss_parameter_supported": True,
    }  # fmt: skip
    protected.documents["/.well-known/oauth-authorization-server"] = promised
    back = protected.visit(begin(client, notes))
    assert "another authorization server" in text(client.get("/authorizations/callback", back, follow=True))
    back = protected.visit(begin(client, notes)) | {"iss": origin}
    assert "is connected" in text(client.get("/authorizations/callback", back, follow=True))


def test_a_refusal_there_is_said_here(protected, notes, alice):
    client = browser(alice)
    begun = protected.visit(begin(client, notes))
    back = {"state": begun["state"], "error": "access_denied", "error_description": "<b>no</b>"}
    page = client.get("/authorizations/callback", back, follow=True).content.decode()
    assert "access_denied: &lt;b&gt;no&lt;/b&gt;" in page


def test_where_nobody_can_register_by_themselves_the_page_says_what_to_do(acme, alice):
    with running_protected(registers=False) as closed:
        server = cast.make_server("closed", url=closed.url, account=acme)
        server.sign_in_by("oauth", by=cast.OPERATOR, now=timezone.now())
        page = text(browser(alice).post(f"/authorizations/connect/{server.pk}/"))
        assert "register Nexus there" in page
        assert "http://localhost:8800/authorizations/callback" in page


def test_a_client_that_was_registered_by_hand_is_used(protected, notes, alice):
    sign_in(browser(alice), protected, notes)
    known = Registration.objects.get()
    given = {"oauth_client_id": known.client_id, "client_secret": known.client_secret}
    known.delete()
    notes.sign_in_by("oauth", **given, by=cast.OPERATOR, now=timezone.now())
    assert "is connected" in text(sign_in(browser(alice), protected, notes))
    assert protected.provider.registered == 1


def test_the_client_document_says_who_nexus_is(client, settings):
    settings.NEXUS_BASE_URL = "https://nexus.example.com"
    document = client.get("/oauth/client.json").json()
    assert document["client_id"] == "https://nexus.example.com/oauth/client.json"
    assert document["redirect_uris"] == ["https://nexus.example.com/authorizations/callback"]
    assert document["token_endpoint_auth_method"] == "none"


def test_the_document_is_used_where_it_is_taken_and_nexus_can_be_reached(protected, notes, alice, settings):
    origin = protected.url.removesuffix("/mcp")
    protected.documents["/.well-known/oauth-authorization-server"] = {
        "issuer": origin, "authorization_endpoint": f"{origin}/authorize", "token_endpoint": f"{origin}/token",
        "code_challenge_methods_supported": ["S256"], "client_id_metadata_document_supported": True,
    }  # fmt: skip
    settings.NEXUS_PRODUCTION, settings.NEXUS_BASE_URL = True, "https://nexus.example.com"
    address = connecting.begin({}, notes, notes.account, alice, now=timezone.now())
    assert "client_id=https%3A%2F%2Fnexus.example.com%2Foauth%2Fclient.json" in address


def test_listing_again_renews_what_is_about_to_end(protected, notes, alice):
    sign_in(browser(alice), protected, notes)
    soon_over(Authorization.objects.get())
    assert list_again(notes, now=timezone.now(), account=notes.account, user=alice) == ""
    assert protected.provider.refreshed == 1


def test_listing_without_a_sign_in_says_where_to_connect(protected, notes, bob):
    said = list_again(notes, now=timezone.now(), account=notes.account, user=bob)
    assert f"http://localhost:8800/authorizations/connect/{notes.pk}/" in said


def test_eight_threads_at_once_refresh_once(protected, notes, alice):
    sign_in(browser(alice), protected, notes)
    due = soon_over(Authorization.objects.get())
    protected.provider.hold.clear()
    secrets_seen: list[str] = []

    def renew():
        try:
            secrets_seen.append(connecting.refreshed(due).secret)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=renew) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_for(lambda: protected.provider.refreshed, "the first of them")
    protected.provider.hold.set()
    for thread in threads:
        thread.join(20)
    assert protected.provider.refreshed == 1
    assert len(secrets_seen) == 8
    assert len(set(secrets_seen)) == 1
    assert Authorization.objects.get().refresh_token in protected.provider.renewals


def test_a_claim_that_its_process_did_not_live_to_use_is_taken_over(protected, notes, alice):
    sign_in(browser(alice), protected, notes)
    due = soon_over(Authorization.objects.get(), refreshing_until=timezone.now() - timedelta(seconds=1))
    assert connecting.refreshed(due).secret in protected.provider.access


def test_a_grant_that_was_taken_away_there_is_dead_here_and_the_page_says_so(protected, notes, alice):
    client = browser(alice)
    sign_in(client, protected, notes)
    due = soon_over(Authorization.objects.get())
    protected.provider.renewals.clear()
    with pytest.raises(NotConnected, match=str(notes.pk)):
        connecting.refreshed(due)
    page = text(client.get(f"/authorizations/{due.pk}/"))
    assert "Not taken any longer since" in page
    assert "invalid_grant" in page
    client.post("/settings/account/", {"account": str(notes.account_id)})
    assert "Reconnect" in text(client.get("/authorizations/"))


def test_an_authorization_server_that_is_out_of_order_kills_nothing(protected, notes, alice):
    sign_in(browser(alice), protected, notes)
    found = Authorization.objects.get()
    due = soon_over(found, token_endpoint="http://127.0.0.1:9/token")
    assert connecting.ready(due, now=timezone.now()).secret == found.secret  # it still lasts
    over = soon_over(found, token_endpoint="http://127.0.0.1:9/token", expires_at=timezone.now())
    with pytest.raises(connecting.UpstreamError, match=r"127\.0\.0\.1:9"):
        connecting.ready(over, now=timezone.now())
    found.refresh_from_db()
    assert found.dead_since is None
    assert found.refreshing_until is None


def use_hub(steps):
    """Run what uses the hub's credentials in an event loop of its own."""

    async def run():
        database = Database()
        credentials = Credentials(database)
        try:
            return await steps(credentials)
        finally:
            await credentials.stop()
            await database.stop()

    return asyncio.run(run())


def test_a_server_without_a_sign_in_costs_the_hub_nothing(acme, alice):
    server = cast.make_server("open")
    toolkit = cast.make_toolkit(acme, "open", server)
    known = Credentials(Database()).known(server, alice.pk, acme.pk, toolkit.pk)
    assert known is not None
    assert (known.key, known.head) == ("", b"")


def test_the_hub_uses_renews_and_forgets(protected, notes, work, alice, acme):
    sign_in(browser(alice), protected, notes)
    place = (alice.pk, acme.pk, work.pk)
    first = Authorization.objects.get()
    soon_over(first)

    async def steps(credentials):
        assert credentials.known(notes, *place) is None
        many = await asyncio.gather(*(credentials.head(notes, *place) for _ in range(50)))
        assert len({credential.head for credential in many}) == 1
        assert credentials.known(notes, *place) == many[0]
        assert many[0].head.startswith(b"Authorization: Bearer up-alice-")
        assert many[0].key == str(first.pk)
        assert many[0].head.decode() not in repr(many[0])
        await credentials.touch()
        credentials.forget(notes.pk)
        assert credentials.known(notes, *place) is None

    use_hub(steps)
    assert protected.provider.refreshed == 1
    first.refresh_from_db()
    assert first.last_used_at


def test_a_token_that_the_server_refuses_is_renewed_once_then_dead(protected, notes, work, alice, acme):
    sign_in(browser(alice), protected, notes)
    place = (alice.pk, acme.pk, work.pk)
    Authorization.objects.update(created_at=timezone.now() - timedelta(minutes=10))

    async def steps(credentials):
        old = await credentials.head(notes, *place)
        protected.provider.access.clear()
        answers = await asyncio.gather(*(credentials.refused(notes, old) for _ in range(20)))
        assert set(answers) == {True}
        new = await credentials.head(notes, *place)
        assert new.head != old.head
        assert await credentials.refused(notes, old)  # who comes late finds the new one
        assert not await credentials.refused(notes, new)  # just renewed, and refused all the same
        with pytest.raises(NotConnected, match=r"http://localhost:8800/authorizations/connect/"):
            await credentials.head(notes, *place)

    use_hub(steps)
    assert protected.provider.refreshed == 1
    assert Authorization.objects.get().dead_since


def test_a_refusal_of_one_request_alone_leaves_the_authorization_alone(protected, notes, work, alice, acme):
    sign_in(browser(alice), protected, notes)

    async def steps(credentials):
        credential = await credentials.head(notes, alice.pk, acme.pk, work.pk)
        challenge = 'Bearer error="insufficient_scope", scope="more"'
        assert not await credentials.refused(notes, credential, status=403, challenge=challenge)
        assert credentials.known(notes, alice.pk, acme.pk, work.pk) == credential

    use_hub(steps)
    assert protected.provider.refreshed == 0
    assert Authorization.objects.get().dead_since is None


def test_a_leg_with_the_credential_reaches_the_tool_as_that_person(protected, notes, work, alice, acme):
    sign_in(browser(alice), protected, notes, "alice")

    async def steps(credentials):
        credential = await credentials.head(notes, alice.pk, acme.pk, work.pk)
        leg = leg_to(notes, head=credential.head)
        try:
            answer = await leg.request("tools/call", b'{"name":"whoami","arguments":{}}', name="whoami")
        finally:
            leg.close()
        assert b'"text":"alice"' in answer.result.replace(b": ", b":")

    use_hub(steps)
