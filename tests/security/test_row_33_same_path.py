"""Row 33: who does not have the secret learns nothing: every such refusal is the same query and the same bytes."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests import cast
from tests.security.conftest import EVERYTHING
from tokens import keys, lookup

pytestmark = [EVERYTHING, pytest.mark.sqlite]
KIND = keys.Kind.DELEGATED


@pytest.fixture
def wrong(scene):
    """Secrets that are well formed and not real: of an id that nobody has, and of ids of tokens in every state."""
    revoked, ended = (cast.make_token(scene.bob, scene.work, name).token for name in ("revoked", "paused"))
    revoked.revoke(by=cast.OPERATOR, reason="leaked", now=timezone.now())
    ended.pause(by=cast.OPERATOR, now=timezone.now())
    ids = [None, scene.issued.token.public_id, revoked.public_id, ended.public_id]
    return [keys.make(KIND, public_id).text for public_id in ids]


def test_each_costs_one_query_and_the_same(scene, wrong):
    seen = set()
    for text in wrong:
        digest = keys.digest(text)
        with CaptureQueriesContext(connection) as queries:
            assert lookup.token_with(digest, KIND)[1] is None
        seen.add(tuple(str(query["sql"]).replace(digest, "?") for query in queries.captured_queries))
    assert len(seen) == 1
    assert len(seen.pop()) == 1


def test_a_real_one_costs_the_same_query_too(scene):
    with CaptureQueriesContext(connection) as queries:
        assert lookup.token_with(scene.issued.token.digest, KIND)[1]
    assert len(queries) == 1


def test_the_answers_are_the_same_bytes(scene, wrong):
    answers = [scene.live.tool(text, "echo__echo") for text in wrong]
    varying = {"date", "x-request-id"}
    assert {answer.content for answer in answers} == {answers[0].content}
    headers = [{name: value for name, value in answer.headers.items() if name not in varying} for answer in answers]
    assert all(each == headers[0] for each in headers)
    assert {answer.status_code for answer in answers} == {401}
    assert scene.upstream.calls == []


def test_a_wrong_checksum_is_refused_without_a_query(scene, wrong):
    text = wrong[1][:-1] + ("0" if wrong[1][-1] != "0" else "1")
    assert keys.kind_of(text) is None
    assert scene.live.tool(text, "echo__echo").status_code == 401
