"""Row 67: whatever account and toolkit a request names, the list is the token's own or none; absent and foreign read alike."""

import itertools
import uuid
from urllib.parse import quote

import pytest

from tests import cast
from tests.security.conftest import EVERYTHING

pytestmark = [EVERYTHING, pytest.mark.sqlite]
OWN = ["echo__echo", "nexus_status"]


@pytest.fixture
def secret_toolkit(scene):
    return cast.make_toolkit(scene.charlie.personal_account, "secret", scene.work.servers.get(), allowed=["add"])


def listed(answer):
    return [tool["name"] for tool in answer.json().get("result", {}).get("tools", [])]


def test_every_pair_of_account_and_toolkit_gives_the_own_list_or_none(scene, secret_toolkit):
    own_account, own_toolkit = str(scene.acme.pk), ["work", str(scene.work.pk)]
    accounts = [own_account, str(scene.charlie.personal_account.pk), str(uuid.uuid4()), "", "acme", "null", None]
    toolkits = [*own_toolkit, "sales", "secret", str(secret_toolkit.pk), str(uuid.uuid4()), "nosuch", "", "null", None]
    for account, toolkit in itertools.product(accounts, toolkits):
        parts = [
            f"accountId={account}" if account is not None else "",
            f"profile={toolkit}" if toolkit is not None else "",
        ]
        answer = scene.live.call(scene.issued, url="/hub/mcp?" + "&".join(filter(None, parts)))
        agrees = account in (own_account, None) and toolkit in (*own_toolkit, None)
        assert (answer.status_code, listed(answer)) == ((200, OWN) if agrees else (403, [])), (account, toolkit)


def test_absent_and_foreign_are_answered_in_the_same_bytes(scene, secret_toolkit):
    names = ["secret", "nosuch", str(secret_toolkit.pk), str(uuid.uuid4())]
    answers = [scene.live.call(scene.issued, url=f"/hub/mcp?profile={name}") for name in names]
    assert len({answer.text.replace(name, "NAME") for answer, name in zip(answers, names, strict=True)}) == 1
    accounts = [str(scene.charlie.personal_account.pk), str(uuid.uuid4())]
    answers = [scene.live.call(scene.issued, url=f"/hub/mcp?accountId={account}") for account in accounts]
    assert len({answer.text.replace(name, "NAME") for answer, name in zip(answers, accounts, strict=True)}) == 1
    fixed = {"date", "x-request-id", "content-length", "www-authenticate"}
    assert len({str(sorted((k, v) for k, v in answer.headers.items() if k not in fixed)) for answer in answers}) == 1


def test_a_doubled_name_is_refused_even_where_both_are_right(scene):
    for query in ("profile=work&profile=work", "profile=work&profile=", f"profile=work&profile={scene.work.pk}"):
        answer = scene.live.call(scene.issued, url=f"/hub/mcp?{query}")
        assert (answer.status_code, listed(answer)) == (400, [])


@pytest.mark.parametrize("text", ["work", "sales", "secret"])
def test_percent_encoding_changes_no_decision(scene, secret_toolkit, text):
    encoded = "".join(f"%{ord(letter):02x}" for letter in text)
    for name in (
        encoded,
        encoded.upper(),
        quote(encoded),
        f"{text}%00",
        f"{text}%20",
        f"%EF%BB%BF{text}",
        f"{text}%2e",
    ):
        answer = scene.live.call(scene.issued, url=f"/hub/mcp?profile={name}")
        is_own = text == "work" and name in (encoded, encoded.upper())
        assert (answer.status_code, listed(answer)) in ([(200, OWN)] if is_own else [(400, []), (403, [])]), name


def test_a_key_that_only_looks_like_ours_decides_nothing(scene, secret_toolkit):
    for key in ("Profile", "PROFILE", "profile[]", "profile ", "profileId", "accountid", "account_id", "toolkit"):
        answer = scene.live.call(scene.issued, url=f"/hub/mcp?{quote(key)}=secret")
        assert listed(answer) == OWN, key


def test_the_token_of_another_opens_what_is_its_own_and_not_what_is_named(scene, secret_toolkit):
    foreign = cast.make_token(scene.charlie, secret_toolkit)
    assert listed(scene.live.call(foreign)) == ["echo__add", "nexus_status"]
    for query in (f"profile={scene.work.pk}", "profile=work", f"accountId={scene.acme.pk}&profile=work"):
        assert scene.live.call(foreign, url=f"/hub/mcp?{query}").status_code == 403
        called = scene.live.tool(foreign, "echo__echo", url=f"/hub/mcp?{query}")
        assert called.status_code == 403
    assert scene.upstream.calls == []
