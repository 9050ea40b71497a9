"""Token exchange (RFC 8693) at the token endpoint: what it gives, to whom, for how long."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from profiles.events import Action, ActorKind, Event
from tests import cast
from tests.tokens.oauth.exchanging import SECRET, ask, make_exchanger
from tokens import keys, reminding
from tokens.models import Application, Connection, DelegatedToken, Policy
from tokens.models.exchanging import MAX_EXCHANGED
from tokens.oauth.exchange import ACCESS_TOKEN, TOKEN_EXCHANGE

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]


@pytest.fixture
def exchanger(acme):
    return make_exchanger(acme)


@pytest.fixture
def subject(alice, work):
    return cast.make_token(alice, work)


def made(answer) -> DelegatedToken:
    """Return the token of a successful answer."""
    assert answer.status_code == 200, answer.content
    return DelegatedToken.objects.get(digest=keys.digest(answer.json()["access_token"]))


def test_the_answer_is_that_of_rfc_8693_without_a_refresh_token(exchanger, subject):
    answer = ask(exchanger, subject.key.text)
    assert answer.headers["cache-control"] == "no-store"
    token = made(answer)
    assert answer.json() == {
        "access_token": answer.json()["access_token"], "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer",
        "expires_in": 3600, "scope": "mcp",
    }  # fmt: skip
    assert keys.kind_of(answer.json()["access_token"]) is keys.Kind.DELEGATED
    assert (token.owner, token.account, token.toolkit) == (
        subject.token.owner,
        exchanger.account,
        subject.token.toolkit,
    )
    assert (token.parent, token.session, token.exchanges) == (subject.token, None, 1)
    assert (token.name, token.actors) == ("CRM sync", [{"client_id": exchanger.client_id, "name": "CRM sync"}])


def test_an_access_token_gives_one_that_names_both_applications(exchanger, alice, work):
    claude = cast.make_application()
    access, text = cast.make_access_token(alice, work, claude)
    token = made(ask(exchanger, text, expires_in="60"))
    assert (token.session, token.parent, token.exchanges) == (access.session, None, 1)
    assert [each["name"] for each in token.actors] == ["CRM sync", "Claude Code"]
    assert token.owner == alice


def test_an_application_that_exchanges_its_own_access_token_is_named_once(exchanger, alice, work):
    _, text = cast.make_access_token(alice, work, exchanger)
    assert [each["name"] for each in made(ask(exchanger, text)).actors] == ["CRM sync"]


@pytest.mark.parametrize("way", ["basic", "post", "public"])
def test_each_way_of_client_authentication_works(acme, subject, way):
    kind = Application.CLIENT_PUBLIC if way == "public" else Application.CLIENT_CONFIDENTIAL
    application = make_exchanger(acme, client_type=kind)
    if way == "basic":
        assert ask(application, subject.key.text).status_code == 200
        return
    form = {
        "grant_type": TOKEN_EXCHANGE, "subject_token": subject.key.text, "subject_token_type": ACCESS_TOKEN,
        "client_id": application.client_id,
    } | ({"client_secret": SECRET} if way == "post" else {})  # fmt: skip
    content = "&".join(f"{name}={value}" for name, value in form.items())
    answer = Client().post("/oauth/token", content, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 200


def test_a_wrong_secret_gets_nothing(exchanger, subject):
    answer = ask(exchanger, subject.key.text, secret="wrong")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert DelegatedToken.objects.count() == 1


def test_only_an_application_that_may_exchange_does(acme, subject):
    answer = ask(make_exchanger(acme, may_exchange=False), subject.key.text)
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
    answer = ask(make_exchanger(acme, name="off", disabled_at=timezone.now()), subject.key.text)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert DelegatedToken.objects.count() == 1


def test_an_application_of_another_account_may_not_unless_the_token_was_issued_to_it(charlie, alice, work, subject):
    foreign = make_exchanger(charlie.personal_account)
    answer = ask(foreign, subject.key.text)
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
    _, text = cast.make_access_token(alice, work, foreign)
    token = made(answer := ask(foreign, text))
    assert token.account == work.account
    assert made(ask(foreign, answer.json()["access_token"])).exchanges == 2


def test_a_parameter_named_user_or_client_means_nothing(exchanger, subject, bob):
    token = made(ask(exchanger, subject.key.text, user=str(bob.pk), client="x", session="1", connection="1"))
    assert token.owner == subject.token.owner


def test_the_event_says_which_application_and_whence(exchanger, subject):
    token = made(ask(exchanger, subject.key.text, sender=Client(REMOTE_ADDR="192.0.2.7", HTTP_USER_AGENT="sync/1")))
    event = Event.objects.get(action=Action.TOKEN_ISSUED, subject_id=str(token.pk))
    assert (event.actor_kind, event.actor_id) == (ActorKind.APPLICATION, exchanger.client_id)
    assert (event.actor_label, event.address, event.agent) == ("CRM sync", "192.0.2.7", "sync/1")
    assert event.after == {
        "toolkit": "work", "expires_at": token.expires_at.isoformat(), "owner": "alice@example.com",
        "exchanged_for": str(subject.token), "actors": token.actors,
    }  # fmt: skip


def test_nobody_gets_mail_for_an_exchange_or_before_it_ends(exchanger, subject, mailoutbox):
    token = made(ask(exchanger, subject.key.text, expires_in=str(3 * 86400)))
    reminding.send_due(token.expires_at - timedelta(hours=1))
    assert not token.reminders.exists()
    assert [mail for mail in mailoutbox if token.name in mail.body] == []


@pytest.mark.parametrize(
    ("sent", "name"),
    [("nightly  job", "nightly job"), (" ", "CRM sync"), ("", "CRM sync"), ("n8n", "n8n"), ("x" * 80, "x" * 80)],
    ids=["spaces", "blank", "empty", "like its subject", "80"],
)
def test_the_token_is_called_as_the_request_says(exchanger, subject, sent, name):
    for _ in range(2):  # names may repeat
        assert made(ask(exchanger, subject.key.text, token_name=sent)).name == name


@pytest.mark.parametrize("sent", ["x" * 81, "two\x07", "\u202etxt"], ids=["long", "bell", "right to left"])
def test_a_name_that_cannot_be_shown_is_refused(exchanger, subject, sent):
    answer = ask(exchanger, subject.key.text, token_name=sent)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert "token_name" in answer.json()["error_description"]


def test_an_application_with_a_name_that_cannot_be_shown_gives_its_id(acme, subject):
    application = make_exchanger(acme, name="\u202etxt " + "y" * 200)
    assert made(ask(application, subject.key.text)).name == application.client_id[:80]


@pytest.mark.parametrize(
    "sent", ["0", "-1", "59", "30.9", "1e3", "NaN", "٣٦٠٠", " 3600", "2592001", "9" * 9, "9" * 400, "0x3c"], ids=ascii
)
def test_a_life_that_is_none_is_refused(exchanger, subject, sent):
    answer = ask(exchanger, subject.key.text, expires_in=sent)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert DelegatedToken.objects.count() == 1


@pytest.mark.parametrize(("sent", "lasts"), [("60", 60), ("86400", 86400), ("", 3600), ("0060", 60)])
def test_the_life_is_the_one_asked_for(exchanger, subject, sent, lasts):
    answer = ask(exchanger, subject.key.text, expires_in=sent)
    token = made(answer)
    assert answer.json()["expires_in"] == lasts
    assert token.expires_at - token.issued_at == timedelta(seconds=lasts)


def test_a_policy_shortens_too(exchanger, subject, acme):
    Policy.objects.create(account=acme, max_life_days=1)
    assert ask(exchanger, subject.key.text, expires_in=str(3 * 86400)).json()["expires_in"] == 86400


def test_the_limits_of_the_subject_are_those_of_its_child(exchanger, subject):
    limits = {"tools": ["echo__echo"], "is_read_only": True, "networks": ["192.0.2.0/24"]}
    DelegatedToken.objects.filter(pk=subject.token.pk).update(**limits)
    token = made(ask(exchanger, subject.key.text))
    assert {name: getattr(token, name) for name in limits} == limits


def test_a_limit_of_calls_is_not_multiplied(exchanger, subject):
    DelegatedToken.objects.filter(pk=subject.token.pk).update(call_cap=10)
    answer = ask(exchanger, subject.key.text)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_one_subject_gives_so_many_tokens_and_no_more(exchanger, subject):
    now = timezone.now().replace(microsecond=0)
    token = subject.token
    DelegatedToken.objects.bulk_create(
        DelegatedToken(
            public_id=f"{index:012}", digest=f"{index:064}", last_four="0000", owner=token.owner, account=token.account,
            toolkit=token.toolkit, name="x", issued_at=now - timedelta(hours=2), expires_at=now + timedelta(hours=1),
            parent=token, exchanges=1,
        )
        for index in range(MAX_EXCHANGED - 1)
    )  # fmt: skip
    assert ask(exchanger, subject.key.text).status_code == 200
    answer = ask(exchanger, subject.key.text)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert answer.headers["retry-after"] == "60"
    DelegatedToken.objects.filter(parent=token).update(stage="ended")
    assert ask(exchanger, subject.key.text).status_code == 200


def test_the_sweep_ends_it_like_any_other(exchanger, subject):
    token = made(ask(exchanger, subject.key.text))
    assert DelegatedToken.objects.sweep(token.expires_at) == 1


def test_an_exchange_is_use_of_its_subject(exchanger, subject, alice, work):
    assert ask(exchanger, subject.key.text).status_code == 200
    subject.token.refresh_from_db()
    assert subject.token.last_used_at
    assert Event.objects.filter(action=Action.TOKEN_FIRST_USED, subject_id=str(subject.token.pk)).count() == 1
    access, text = cast.make_access_token(alice, work, exchanger)
    assert ask(exchanger, text).status_code == 200
    assert Connection.objects.get(pk=access.session.connection_id).last_used_at


def test_a_pending_token_takes_over_when_it_is_exchanged(exchanger, subject):
    successor = DelegatedToken.objects.replace(subject.token, by=cast.OPERATOR, now=timezone.now())
    assert ask(exchanger, successor.key.text).status_code == 200
    for token, stage in ((successor.token, "current"), (subject.token, "overlapping")):
        token.refresh_from_db()
        assert token.stage == stage


def test_the_owner_is_told_when_a_replaced_token_is_exchanged_after_its_end(exchanger, subject):
    now = timezone.now()
    successor = DelegatedToken.objects.replace(subject.token, overlap=timedelta(), by=cast.OPERATOR, now=now)
    assert DelegatedToken.objects.activate(successor.token.pk, now=now)
    for _ in range(2):
        assert ask(exchanger, subject.key.text).status_code == 400
    event = Event.objects.get(action=Action.TOKEN_REUSED)
    assert (event.actor_kind, event.actor_id) == (ActorKind.APPLICATION, exchanger.client_id)


@pytest.mark.parametrize("kind", ["delegated", "access"])
def test_one_exchange_costs_ten_queries(exchanger, subject, alice, work, kind, django_assert_num_queries):
    text = subject.key.text if kind == "delegated" else cast.make_access_token(alice, work, exchanger)[1]
    ask(exchanger, text)
    # application, look-up; BEGIN, the application again, the subject's row, how many, policy, token, event, COMMIT
    with django_assert_num_queries(10):
        ask(exchanger, text)


def test_a_former_alias_costs_one_query_more(exchanger, subject, work, django_assert_num_queries):
    work.change(alias="labour", name=work.name, description="", by=cast.OPERATOR, now=timezone.now())
    ask(exchanger, subject.key.text)
    with django_assert_num_queries(11):
        assert ask(exchanger, subject.key.text, audience="work").status_code == 200
