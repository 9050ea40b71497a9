"""Row 22: an account in the request can only agree with the token's."""

import uuid

import pytest

from tests.security.conftest import EVERYTHING

pytestmark = [EVERYTHING, pytest.mark.sqlite]


def test_another_account_is_refused_wherever_it_stands(scene):
    bodies = set()
    for account in (scene.bob.personal_account.pk, scene.charlie.personal_account.pk, uuid.uuid4(), "acme", ""):
        for options in (
            {"url": f"/hub/mcp?accountId={account}"}, {"url": f"/mcp?accountId={account}&profile=work"},
            {"headers": {"x-nexus-account-id": str(account)}}, {"headers": {"x-civic-account-id": str(account)}},
        ):  # fmt: skip
            answer = scene.live.call(scene.issued, **options)
            assert answer.status_code == 403, (account, options)
            bodies.add(answer.text.replace(f"“{account}”", "NAME"))
    assert len(bodies) == 1


def test_the_right_account_is_taken_in_any_spelling_and_none_is_derived(scene):
    own = str(scene.acme.pk)
    assert scene.live.call(scene.issued).status_code == 200
    assert scene.live.call(scene.issued, url=f"/hub/mcp?accountId={own}").status_code == 200
    assert scene.live.call(scene.issued, url=f"/hub/mcp?accountId={own.upper()}").status_code == 200
    assert scene.live.call(scene.issued, headers={"X-Nexus-Account-Id": own}).status_code == 200


def test_query_and_header_must_both_agree(scene):
    own, other = str(scene.acme.pk), str(uuid.uuid4())
    for query, header in ((own, other), (other, own)):
        answer = scene.live.call(
            scene.issued, url=f"/hub/mcp?accountId={query}", headers={"x-nexus-account-id": header}
        )
        assert answer.status_code == 403


@pytest.mark.parametrize("query", ["accountId={own}&accountId={other}", "accountId={other}&accountId={own}",
                                   "accountId={own}&accountId={own}", "profile=work&profile=sales"])  # fmt: skip
def test_a_repeated_parameter_is_malformed(scene, query):
    text = query.format(own=scene.acme.pk, other=uuid.uuid4())
    assert scene.live.call(scene.issued, url=f"/hub/mcp?{text}").status_code == 400


def test_a_repeated_header_is_malformed(scene):
    body = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
    head = (
        f"POST /hub/mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {scene.secret}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
        f"x-nexus-account-id: {scene.acme.pk}\r\nx-nexus-account-id: {uuid.uuid4()}\r\n\r\n"
    )
    assert scene.live.raw(head.encode() + body)[0] == 400


def test_other_headers_and_the_body_decide_nothing(scene):
    other = str(uuid.uuid4())
    ignored = {"X-Account-Id": other, "X-User-Id": "1", "X-Forwarded-User": "charlie", "X-Original-URL": "/admin/"}
    answer = scene.live.call(scene.issued, params={"accountId": other, "profile": "sales"}, headers=ignored)
    assert [tool["name"] for tool in answer.json()["result"]["tools"]] == ["echo__echo", "nexus_status"]
