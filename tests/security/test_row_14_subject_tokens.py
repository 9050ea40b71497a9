"""Row 14: what is no valid subject token gives 400 by RFC 8693 section 2.2.2, and nothing is made."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests import cast
from tests.tokens.oauth.exchanging import ask, make_exchanger
from tokens import keys
from tokens.models import DelegatedToken
from tokens.oauth.exchange import ACCESS_TOKEN, UNREAL, URN

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def exchanger(acme):
    return make_exchanger(acme)


@pytest.fixture
def subject(alice, work):
    return cast.make_token(alice, work)


def refused(answer, error="invalid_request") -> str:
    """Return the description of the refusal, having looked that nothing was made."""
    assert (answer.status_code, answer.json()["error"]) == (400, error), answer.content
    assert not DelegatedToken.objects.filter(exchanges__gt=0).exists()
    assert "nxs" not in answer.content.decode()
    description: str = answer.json()["error_description"]
    assert description.isascii()
    return description


@pytest.mark.parametrize("value", [None, "", ["", ""], ["a", "b"]], ids=["missing", "empty", "two empty", "doubled"])
def test_the_subject_token_is_sent_once(exchanger, value):
    assert "subject_token" in refused(ask(exchanger, value))


def test_a_real_subject_token_sent_twice_is_refused(exchanger, subject):
    assert "once" in refused(ask(exchanger, [subject.key.text, subject.key.text]))


@pytest.mark.parametrize("name", ["subject_token_type", "grant_type", "scope", "expires_in", "requested_token_type"])
def test_no_other_parameter_is_sent_twice(exchanger, subject, name):
    refused(ask(exchanger, subject.key.text, **{name: [ACCESS_TOKEN, ACCESS_TOKEN]}))


@pytest.mark.parametrize(
    "text",
    ["garbage", "long", "eyJhbGciOiJub25lIn0.e30.", "nxs_", "ünïcode", "nxs_{0}", "Bearer x", "' OR 1=1 --", "..", "0"],
    ids=ascii,
)  # fmt: skip
def test_what_has_not_the_form_costs_no_look_up(exchanger, text, django_assert_num_queries):
    text = "x" * 8000 if text == "long" else text
    with django_assert_num_queries(1):  # the application
        answer = ask(exchanger, text)
    assert refused(answer) == UNREAL


@pytest.mark.parametrize("kind", keys.Kind)
def test_what_nobody_made_is_refused_by_one_query_of_whatever_kind(exchanger, kind, django_assert_num_queries):
    with django_assert_num_queries(2):
        answer = ask(exchanger, keys.make(kind).text)
    assert refused(answer) == UNREAL


def test_a_wrong_secret_under_a_real_id_is_as_unknown_as_any(exchanger, subject, alice, work):
    access, _ = cast.make_access_token(alice, work, exchanger)
    for kind, public_id in (("nxs", subject.token.public_id), ("nxso", access.session.connection.public_id)):
        assert refused(ask(exchanger, keys.make(keys.Kind(kind), public_id).text)) == UNREAL
    swapped = subject.key.text.replace("nxs_", "nxso_")
    assert refused(ask(exchanger, swapped)) == UNREAL


def test_a_refresh_token_is_no_subject(exchanger, alice, work):
    access, _ = cast.make_access_token(alice, work, exchanger)
    refresh = keys.make(keys.Kind.REFRESH, access.session.connection.public_id)
    assert refused(ask(exchanger, refresh.text)) == UNREAL


@pytest.mark.parametrize("kind", ["delegated", "access"])
def test_an_expired_subject_is_refused_to_the_second(exchanger, alice, work, time_machine, kind):
    time_machine.move_to("2026-11-24T12:00:00Z", tick=False)
    text = _subject(kind, alice, work, exchanger)
    time_machine.shift(timedelta(hours=1))
    assert "expired" in refused(ask(exchanger, text))


def _subject(kind, alice, work, exchanger) -> str:
    """Return a subject token of an hour."""
    if kind == "delegated":
        return cast.make_token(alice, work, life=timedelta(hours=1)).key.text
    return cast.make_access_token(alice, work, exchanger)[1]


@pytest.mark.parametrize("kind", ["delegated", "access"])
@pytest.mark.parametrize("why", ["owner", "member", "toolkit", "paused toolkit", "paused account"])
def test_a_subject_that_the_hub_would_refuse_is_refused_here(exchanger, alice, acme, work, kind, why):
    text, now = _subject(kind, alice, work, exchanger), timezone.now()
    if why == "owner":
        alice.disable(by=cast.OPERATOR, now=now)
    elif why == "member":
        acme.members.filter(user=alice).delete()
    elif why == "toolkit":
        work.delete_for_good(by=cast.OPERATOR, now=now)
    elif why == "paused toolkit":
        type(work).objects.filter(pk=work.pk).update(paused_at=now)
    else:
        type(acme).objects.filter(pk=acme.pk).update(paused_at=now)
    refused(ask(exchanger, text))


def test_a_revoked_or_paused_subject_is_refused(exchanger, subject, alice, work):
    DelegatedToken.objects.filter(pk=subject.token.pk).update(paused_at=timezone.now())
    assert "paused" in refused(ask(exchanger, subject.key.text))
    subject.token.revoke(by=cast.OPERATOR, reason="leaked", now=timezone.now())
    assert "revoked" in refused(ask(exchanger, subject.key.text))
    access, text = cast.make_access_token(alice, work, exchanger)
    access.session.end(by=cast.OPERATOR, now=timezone.now())
    assert "revoked" in refused(ask(exchanger, text))


def test_a_subject_of_another_account_is_refused(exchanger, charlie):
    foreign = cast.make_token(charlie, cast.make_toolkit(charlie.personal_account, "secret"))
    said = refused(ask(exchanger, foreign.key.text), "unauthorized_client")
    assert "secret" not in said
    assert "charlie" not in said


@pytest.mark.parametrize(
    "kind", [None, "", "id_token", "jwt", "refresh_token", "saml2", "access_token ", "ACCESS_TOKEN", "x" * 5000], ids=ascii
)  # fmt: skip
def test_only_an_access_token_is_taken(exchanger, subject, kind):
    said = refused(ask(exchanger, subject.key.text, subject_token_type=URN + kind if kind else kind))
    assert ("yet" in said) == (kind in ("id_token", "jwt"))


@pytest.mark.parametrize("kind", ["refresh_token", "id_token", "jwt", "saml1", "x"])
def test_nothing_but_an_access_token_is_given(exchanger, subject, kind):
    refused(ask(exchanger, subject.key.text, requested_token_type=URN + kind))


@pytest.mark.parametrize(
    "form",
    [{"actor_token": "x"}, {"actor_token_type": ACCESS_TOKEN}, {"actor_token": "x", "actor_token_type": ACCESS_TOKEN}],
    ids=["token", "type", "both"],
)
def test_an_actor_token_is_not_taken(exchanger, subject, form):
    assert "actor_token" in refused(ask(exchanger, subject.key.text, **form))


def test_no_subject_token_is_written_anywhere(exchanger, subject, caplog):
    caplog.set_level("DEBUG")
    issued = ask(exchanger, subject.key.text).json()["access_token"]
    ask(exchanger, subject.key.text, scope="wide")
    for secret in (subject.key.text, issued):
        assert secret not in caplog.text
