"""Row 21: a token opens its own toolkit, however another one is named; never a wider list."""

import uuid

import pytest

from tests import cast
from tests.security.conftest import EVERYTHING

pytestmark = [EVERYTHING, pytest.mark.sqlite]
OWN = ["echo__echo", "nexus_status"]


@pytest.fixture
def others(scene):
    """Return the names by which other toolkits could be asked for: of the same owner, of a stranger, of nobody."""
    foreign = cast.make_toolkit(scene.charlie.personal_account, "secret", scene.work.servers.get(), allowed=["add"])
    return ["sales", str(scene.sales.pk), "secret", str(foreign.pk), str(uuid.uuid4()), "nosuch"]


def names(answer):
    return [tool["name"] for tool in answer.json()["result"]["tools"]]


def test_the_token_alone_names_its_toolkit(scene):
    assert names(scene.live.call(scene.issued)) == OWN
    for profile in ("work", str(scene.work.pk), str(scene.work.pk).upper()):
        assert names(scene.live.call(scene.issued, url=f"/hub/mcp?profile={profile}")) == OWN
    assert names(scene.live.call(scene.issued, url=scene.live.url(scene.work))) == OWN


def test_another_toolkit_in_the_query_or_a_header_is_refused_in_the_same_words(scene, others):
    bodies = set()
    for name in others:
        for options in (
            {"url": f"/hub/mcp?profile={name}"}, {"url": f"/mcp?profile={name}"},
            {"headers": {"x-nexus-profile-id": name}}, {"headers": {"x-civic-profile-id": name}},
            {"url": "/hub/mcp?profile=work", "headers": {"x-nexus-profile-id": name}},
        ):  # fmt: skip
            answer = scene.live.call(scene.issued, **options)
            assert answer.status_code == 403, (name, options)
            assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
            assert "work" in answer.json()["error"]["message"]
            bodies.add(answer.text.replace(name, "NAME"))
    assert len(bodies) == 1  # absent and foreign read alike
    assert scene.upstream.calls == []


@pytest.mark.parametrize(
    "name", ["", "%00", "..%2f", "work%00", "work%2f..", "w%C3%B6rk", "%D1%81ales", "work;x", "work%253Bx", "sales%20", "*", "%25", "work/"]
)  # fmt: skip
def test_a_strange_name_never_gives_more_than_the_token_s_own(scene, name):
    answer = scene.live.call(scene.issued, url=f"/hub/mcp?profile={name}")
    assert answer.status_code in (400, 403)
    assert "result" not in answer.json()


def test_letter_case_does_not_lead_to_another_toolkit(scene):
    for profile in ("SALES", "Sales", str(scene.sales.pk).upper()):
        assert scene.live.call(scene.issued, url=f"/hub/mcp?profile={profile}").status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/mcp/sales", "/hub/mcp/sales", "/hub/mcp/", "/mcp/", "/HUB/MCP", "/hub//mcp", "/hub/mcp;x", "/hub/mcp%2fsales",
        "/hub/%6dcp/sales", "/hub/mcp/..%2fmcp", "/hub", "/hub/token", "/hub/token/verify/",
    ],
)  # fmt: skip
def test_only_the_addresses_of_the_contract_answer(scene, path):
    answer = scene.live.call(scene.issued, url=path)
    assert answer.status_code == 404, (path, answer.status_code)
    assert "echo__echo" not in answer.text
    assert "location" not in answer.headers


def test_an_address_with_a_nul_character_is_refused(scene):
    assert scene.live.call(scene.issued, url="/hub/mcp%00").status_code == 400


def test_a_tool_of_another_toolkit_cannot_be_called(scene):
    for name in ("echo__add", "add", "sales__add", "work/echo__add", "ECHO__ADD", "echo__add\u200b"):
        answer = scene.live.tool(scene.issued, name)
        assert answer.status_code == 200
        assert answer.json()["error"]["code"] == -32602, name
    assert scene.upstream.calls == []
