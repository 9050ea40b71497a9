"""Row 55: where a server says people sign in is a stranger's word: nothing inside is asked, nobody is sent to a script."""

import html
import re

import pytest
from django.utils import timezone

from profiles.models import Authorization
from tests import cast
from tests.live import free_port
from tests.oauth_upstream import running_protected
from tests.security.pages import browser
from tests.upstreams import running_recorder

pytestmark = pytest.mark.django_db(transaction=True)
RESOURCE, SERVER = "/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-authorization-server"
INSIDE = [
    "http://10.0.0.1/x", "http://169.254.169.254/latest/meta-data", "http://[fd00::1]/x", "http://192.168.1.1/x",
    "http://[::ffff:10.0.0.1]/x", "http://0x0a000001/x", "http://100.100.100.200/x",
]  # fmt: skip
NOT_HTTP = [
    "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/",
    "//127.0.0.1/x", "", 5, None, ["http://127.0.0.1/x"], "http://user:pw@127.0.0.1/x", "http://127.0.0.1/x#f",
    "http://127.0.0.1/\r\nX: y", "http://[::1/x", "http://127.0.0.1:0/x",
]  # fmt: skip


@pytest.fixture(scope="module")
def _process():
    with running_protected() as protected:
        yield protected


@pytest.fixture
def stranger(_process, acme):
    """A server of Acme whose metadata the test writes."""
    _process.documents.clear()
    server = cast.make_server("stranger", url=_process.url, account=acme)
    server.sign_in_by("oauth", by=cast.OPERATOR, now=timezone.now())
    _process.server = server
    _process.origin = _process.url.removesuffix("/mcp")
    return _process


def metadata(stranger, **changes):
    origin = stranger.origin
    return {
        "issuer": origin, "authorization_endpoint": f"{origin}/authorize", "token_endpoint": f"{origin}/token",
        "registration_endpoint": f"{origin}/register", "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post"], **changes,
    }  # fmt: skip


def refused(stranger, alice) -> str:
    """Begin to sign in; return what is said when no link is shown, and nothing stored."""
    answer = browser(alice).post(f"/authorizations/connect/{stranger.server.pk}/")
    page = answer.content.decode()
    assert answer.status_code == 422, page
    assert "Continue to" not in page
    assert not Authorization.objects.exists()
    return html.unescape(re.sub(r"<[^>]+>", " ", page))


@pytest.mark.parametrize("name", ["token_endpoint", "registration_endpoint"])
@pytest.mark.parametrize("address", [*INSIDE, *NOT_HTTP[:6], *NOT_HTTP[10:]])
def test_an_endpoint_inside_or_of_another_kind_is_refused_before_anybody_is_sent_away(stranger, alice, name, address):
    stranger.documents[SERVER] = metadata(stranger, **{name: address})
    assert "cannot begin" in refused(stranger, alice)


@pytest.mark.parametrize("address", NOT_HTTP)
def test_a_sign_in_page_that_is_no_web_page_is_refused(stranger, alice, address):
    stranger.documents[SERVER] = metadata(stranger, authorization_endpoint=address)
    assert "authorization_endpoint" in refused(stranger, alice)


@pytest.mark.parametrize("address", [*INSIDE, *NOT_HTTP[:5]])
def test_an_authorization_server_inside_is_not_asked(stranger, alice, address):
    stranger.documents[RESOURCE] = {"resource": stranger.url, "authorization_servers": [address]}
    assert "cannot begin" in refused(stranger, alice)


@pytest.mark.parametrize("address", INSIDE[:4])
def test_a_challenge_that_points_inside_is_not_followed(stranger, acme, alice, address):
    with running_recorder() as recorder:
        recorder.mode = "challenge"
        recorder.elsewhere = address
        server = cast.make_server("points", url=recorder.url, account=acme)
        server.sign_in_by("oauth", by=cast.OPERATOR, now=timezone.now())
        stranger.server = server
        assert "resource_metadata" in refused(stranger, alice)


def test_nexus_itself_is_no_authorization_server(stranger, alice, settings):
    settings.PORT = free_port()
    stranger.documents[SERVER] = metadata(stranger, token_endpoint=f"http://127.0.0.1:{settings.PORT}/oauth/token")
    assert "Nexus itself" in refused(stranger, alice)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"issuer": "https://other.example.com"}, "another name"),
        ({"code_challenge_methods_supported": ["plain"]}, "PKCE"),
        ({"code_challenge_methods_supported": None}, "PKCE"),
    ],
)
def test_an_authorization_server_that_cannot_be_trusted_is_refused(stranger, alice, document, said):
    stranger.documents[SERVER] = metadata(stranger, **document)
    assert said in refused(stranger, alice)


@pytest.mark.parametrize(
    "resource",
    ["https://other.example.com/mcp", "http://127.0.0.1:1/mcp", "{origin}/mc", "{origin}/mcp/below", "", None],
)
def test_metadata_about_another_resource_is_refused(stranger, alice, resource):
    named = resource and resource.replace("{origin}", stranger.origin)
    stranger.documents[RESOURCE] = {"resource": named, "authorization_servers": [stranger.origin]}
    assert "another resource" in refused(stranger, alice)


def test_a_redirect_of_metadata_is_not_followed(stranger, alice, acme):
    with running_recorder() as elsewhere, running_recorder() as recorder:
        recorder.mode, recorder.elsewhere = "redirect", elsewhere.url
        stranger.server = cast.make_server("redirects", url=recorder.url, account=acme)
        stranger.server.sign_in_by("oauth", by=cast.OPERATOR, now=timezone.now())
        assert "cannot begin" in refused(stranger, alice)
        assert elsewhere.received == []


@pytest.mark.parametrize("mode", ["garbage", "error", "half"])
def test_a_server_that_answers_badly_is_said_and_harms_nothing(stranger, alice, acme, mode):
    with running_recorder() as recorder:
        recorder.mode = mode
        stranger.server = cast.make_server("garbage", url=recorder.url, account=acme)
        stranger.server.sign_in_by("oauth", by=cast.OPERATOR, now=timezone.now())
        refused(stranger, alice)
