"""`civic-mcp-client` as it is on PyPI: with a token, and by exchanging one. `make clients` installs it."""

import json
import pathlib

import pytest

from activity.models import Call
from tests import cast
from tests.clients.conftest import both_calls, calls_seen
from tests.tokens.oauth.exchanging import SECRET, make_exchanger
from tokens.models import DelegatedToken

HERE = pathlib.Path(__file__).resolve().parent
PYTHON = HERE.parents[1] / "build" / "civic" / "bin" / "python"
SHOWN = both_calls("civic-mcp-client-python", "2024-11-05")
pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def run(ready, tmp_path):
    assert PYTHON.exists(), "The client is not there: run `make clients`."

    def use(url=ready.url, **told):
        printed = ready.run(PYTHON, "-I", HERE / "use_civic.py", url, env={"HOME": str(tmp_path), **told})
        return json.loads(printed)

    return use


@pytest.fixture
def exchange_of(ready, alice):
    """Return what the client is told to exchange."""
    application = make_exchanger(alice.personal_account)

    def told(subject, **more) -> str:
        config = {
            "client_id": application.client_id, "client_secret": SECRET, "subject_token": subject,
            "auth_url": f"{ready.live.base}/oauth/token", "expires_in": 600,
        }  # fmt: skip
        return json.dumps(config | more)

    return told


def lists_and_calls(printed) -> bool:
    names = [tool["name"] for tool in printed["tools"]["tools"]]
    assert names == ["echo__echo", "echo__fail", "nexus_status"]
    assert printed["said"]["content"][0]["text"] == "hällo"
    return printed["failed"]["isError"] and bool(printed["instructions"])


def test_it_lists_and_calls_with_a_token(run):
    assert lists_and_calls(run())
    assert calls_seen() == SHOWN


@pytest.mark.parametrize("kind", ["delegated", "access"])
@pytest.mark.parametrize("profile", ["", "work", "id"])
def test_it_lists_and_calls_by_exchange(ready, run, exchange_of, alice, kind, profile):
    toolkit = DelegatedToken.objects.get().toolkit
    subject = ready.secret
    if kind == "access":
        subject = cast.make_access_token(alice, toolkit, cast.make_application())[1]
    told = {"NEXUS_PROFILE": str(toolkit.pk) if profile == "id" else profile} if profile else {}
    assert lists_and_calls(run(url=f"{ready.live.base}/hub/mcp", NEXUS_EXCHANGE=exchange_of(subject), **told))
    assert calls_seen() == SHOWN
    made = DelegatedToken.objects.get(exchanges=1)  # one exchange for all its calls
    assert (made.expires_at - made.issued_at).total_seconds() == 600
    actors = "CRM sync" if kind == "delegated" else "CRM sync ← Claude Code"
    rows = Call.objects.values_list("token_public_id", "token_name", "actors").distinct()
    assert list(rows) == [(made.public_id, "CRM sync", actors)]


def test_without_a_wish_it_gets_an_hour(run, exchange_of, ready):
    assert lists_and_calls(run(NEXUS_EXCHANGE=exchange_of(ready.secret, expires_in=None)))
    made = DelegatedToken.objects.get(exchanges=1)
    assert (made.expires_at - made.issued_at).total_seconds() == 3600


@pytest.mark.parametrize(
    ("more", "said"),
    [({"client_secret": "wrong"}, "401"), ({"subject_token": "garbage"}, "none of this server"), ({"expires_in": 5}, "60")],
    ids=["secret", "subject", "life"],
)  # fmt: skip
def test_its_error_says_what_was_wrong(run, exchange_of, ready, more, said):
    with pytest.raises(AssertionError, match=f"token exchange failed .*{said}"):
        run(NEXUS_EXCHANGE=exchange_of(ready.secret, **more))
    assert not DelegatedToken.objects.filter(exchanges=1).exists()


def test_another_profile_than_the_subject_s_gives_no_token(run, exchange_of, ready):
    with pytest.raises(AssertionError, match="invalid_target"):
        run(NEXUS_EXCHANGE=exchange_of(ready.secret), NEXUS_PROFILE="default")
