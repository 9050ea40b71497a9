"""What is found of generated histories, who is told of it, how often, and what the three answers do."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command

from activity import keeping
from activity.models import Call, Finding, Habit, Rule, Watch
from activity.tasks import find_unexpected
from activity.unexpected import looking, strip
from profiles.events import Action, Event
from tests import cast
from tests.activity.calls import call_of, count_calls
from tests.activity.conftest import browser_of
from tokens.models import DelegatedToken, JobRun, Webhook, WebhookDelivery
from tokens.tasks import mail_unexpected

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]

START = datetime(2026, 11, 10, 8, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
USUAL = {"address": "203.0.113.7", "client_name": "n8n"}


@pytest.fixture
def token(alice, work):
    return cast.make_token(alice, work, "n8n production", life=20 * DAY, now=START).token


@pytest.fixture
def settled(token):
    """Used for three days, every hour, and looked at from the beginning."""
    use(token, *(START + HOUR * number for number in range(72)))
    look(START + HOUR)
    look(START + 3 * DAY)
    assert not Finding.objects.exists()
    return token


def use(token, *moments, **fields):
    Call.objects.bulk_create(call_of(token, at, **{**USUAL, **fields}) for at in moments)


def look(now):
    count_calls()
    return looking.look(now)


def found():
    return [(finding.rule, finding.values) for finding in Finding.objects.order_by("found_at", "rule")]


def after(days=3, **more):
    return START + timedelta(days=days, **more)


def test_a_new_network_and_a_new_client_are_found_once(settled):
    use(settled, after(minutes=10), address="198.51.100.9", client_name="curl")
    looked = look(after(minutes=11))
    assert found() == [("client", ["curl"]), ("network", ["198.51.100.0/24"])]
    assert (looked.tokens, looked.findings, looked.told) == (1, 2, 1)
    use(settled, after(minutes=12), address="198.51.100.77", client_name="curl")
    assert look(after(minutes=13)).findings == 0
    finding = Finding.objects.get(rule=Rule.NETWORK)
    assert (finding.first_at, finding.last_at) == (after(minutes=10), after(minutes=12))
    assert finding.evidence[0]["address"] == "198.51.100.9"


def test_nothing_is_looked_at_twice_for_nothing(settled, django_assert_max_num_queries):
    with django_assert_max_num_queries(3):
        assert looking.look(after(minutes=1)).tokens == 0


def test_many_tokens_cost_one_query_each_and_no_more(alice, work, django_assert_max_num_queries):
    for number in range(20):
        use(cast.make_token(alice, work, f"service {number}", now=START).token, START + HOUR)
    count_calls()
    with django_assert_max_num_queries(20 + 20):
        assert looking.look(START + 2 * HOUR).tokens == 20


@pytest.mark.parametrize("first_use", [timedelta(hours=1), timedelta(days=5)])
def test_the_first_day_of_use_is_quiet_and_learned_from(token, first_use):
    begin = START + first_use
    use(token, begin)
    look(begin)
    use(token, begin + 23 * HOUR, address="198.51.100.9", client_name="curl")
    look(begin + 23 * HOUR)
    use(token, begin + 25 * HOUR, address="198.51.100.1", client_name="curl 8")
    look(begin + 25 * HOUR)
    assert found() == []
    use(token, begin + 26 * HOUR, address="192.0.2.1")
    look(begin + 26 * HOUR)
    assert found() == [("network", ["192.0.2.0/24"])]


def test_a_successor_is_expected_to_do_what_its_predecessor_did(settled):
    successor = settled.replace(by=cast.OPERATOR, now=after()).token
    use(successor, after(4, hours=1))
    look(after(4, hours=2))
    assert found() == []
    use(successor, after(4, hours=3), address="192.0.2.1")
    look(after(4, hours=4))
    assert found() == [("network", ["192.0.2.0/24"])]


def test_a_burst_is_found_by_what_was_counted(settled):
    use(settled, *(after(minutes=1, seconds=number) for number in range(200)))
    look(after(minutes=5))
    assert [rule for rule, _ in found()] == ["burst"]
    look(after(minutes=6))
    use(settled, *(after(hours=1, seconds=number) for number in range(900)))
    look(after(hours=1, minutes=20))
    assert len(found()) == 1, "what is like the busiest hour is no burst"


def test_refusals_in_a_row_and_two_services_are_found(settled):
    for number in range(8):
        use(settled, after(minutes=number), client_name="n8n" if number % 2 else "curl")
    use(
        settled,
        *(after(minutes=20, seconds=number) for number in range(20)),
        outcome="refused",
        reason="not in the toolkit",
    )
    look(after(minutes=30))
    assert [rule for rule, _ in found()] == ["client", "refusals", "shared"]
    assert "not in the toolkit" in Finding.objects.get(rule=Rule.REFUSALS).said


@pytest.mark.parametrize("how", ["revoked", "expired"])
def test_use_after_the_end_is_found_even_in_the_first_day(alice, work, how):
    token = cast.make_token(alice, work, life=2 * HOUR, now=START).token
    use(token, START + HOUR)
    look(START + HOUR)
    if how == "revoked":
        token.revoke(by=cast.OPERATOR, reason="leaked", now=START + 2 * HOUR)
    use(token, START + 2 * HOUR + timedelta(minutes=2), outcome="refused")
    look(START + 3 * HOUR)
    assert found() == []
    use(token, START + 4 * HOUR, outcome="refused")
    look(START + 4 * HOUR)
    assert found() == [("ended", ["203.0.113.0/24"])]


def test_a_token_is_told_of_at_most_once_an_hour_and_nothing_is_lost(settled):
    for minute in (1, 10, 20):
        use(settled, after(minutes=minute), address=f"198.51.{minute}.9")
        look(after(minutes=minute + 1))
    events = Event.objects.filter(action=Action.TOKEN_UNEXPECTED)
    assert events.count() == 1
    look(after(minutes=61))
    assert events.count() == 1
    look(after(minutes=63))
    assert events.count() == 2
    assert look(after(hours=5)).told == 0
    (finding,) = Finding.objects.all()
    assert finding.values == ["198.51.1.0/24", "198.51.10.0/24", "198.51.20.0/24"]


def test_the_owner_gets_a_mail_and_webhooks_a_message(settled, acme, mailoutbox, django_capture_on_commit_callbacks):
    Webhook.objects.add(
        acme, url="http://127.0.0.1:9/", description="x", kinds=["token.unexpected"], by=cast.OPERATOR, now=START
    )
    use(settled, after(minutes=1), address="198.51.100.9")
    look(after(minutes=2))
    (delivery,) = WebhookDelivery.objects.all()
    for text in ("token.unexpected", "198.51.100.0/24", settled.public_id, '"address":"198.51.100.9"'):
        assert text in delivery.body, text
    mail_unexpected(settled.pk)
    (mail,) = mailoutbox
    assert mail.to == ["alice@example.com"]
    assert mail.subject == "“n8n production” was used as never before"
    for text in ("198.51.100.0/24", f"/tokens/{settled.public_id}/activity/", "/replace/", "/revoke/", settled.masked):
        assert text in mail.body, text
        assert text in mail.alternatives[0][0], text


def test_what_the_hub_told_of_at_once_is_not_told_again(settled):
    successor = settled.replace(by=cast.OPERATOR, now=after(), overlap=timedelta()).token
    DelegatedToken.objects.activate(successor.pk, now=after(minutes=1))
    use(settled, after(minutes=10), outcome="refused")
    DelegatedToken.objects.note_reuse(settled.pk, by=cast.OPERATOR, now=after(minutes=10))
    for minutes in (11, 90):
        assert look(after(minutes=minutes)).told == 0
    assert [rule for rule, _ in found()] == ["ended"]
    shown = strip.open_findings(settled.account, settled.owner, sees_all=True, now=after(hours=2))
    assert [each.rule for each in shown] == [Rule.ENDED.label], "and it is shown once"


def test_fine_is_learned_and_written_down(settled, acme, alice):
    use(settled, after(minutes=1), address="198.51.100.9")
    look(after(minutes=2))
    browser = browser_of(alice, acme)
    finding = Finding.objects.get()
    answer = browser.post(f"/activity/unexpected/{finding.pk}/fine/", {"next": "/activity/?range=7d"})
    assert answer.url == "/activity/?range=7d"
    event = Event.objects.get(action=Action.TOKEN_USE_ACCEPTED)
    assert (event.after, event.subject_id) == ({"rule": "network", "values": ["198.51.100.0/24"]}, str(settled.pk))
    assert Habit.objects.filter(family=settled.family, rule="network").count() == 2
    for number in range(3):
        use(settled, after(hours=1, minutes=number), address="198.51.100.200")
    look(after(hours=2))
    assert [finding.answer for finding in Finding.objects.all()] == ["fine"]
    assert "answered already" in browser.post(f"/activity/unexpected/{finding.pk}/fine/", follow=True).content.decode()
    assert Event.objects.filter(action=Action.TOKEN_USE_ACCEPTED).count() == 1


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""])
def test_an_answer_leads_nowhere_else(settled, acme, alice, elsewhere):
    use(settled, after(minutes=1), address="198.51.100.9")
    look(after(minutes=2))
    path = f"/activity/unexpected/{Finding.objects.get().pk}/fine/"
    assert browser_of(alice, acme).post(path, {"next": elsewhere}).url == f"/tokens/{settled.public_id}/activity/"


def test_only_who_sees_the_token_may_answer_and_only_by_a_post(settled, acme, alice, bob, charlie):
    use(settled, after(minutes=1), address="198.51.100.9")
    look(after(minutes=2))
    path = f"/activity/unexpected/{Finding.objects.get().pk}/fine/"
    for person in (bob, charlie):
        assert browser_of(person).post(path).status_code == 404
    assert browser_of(alice, acme).get(path).status_code == 405
    assert Finding.objects.get().answer == ""
    gone = "/activity/unexpected/00000000-0000-4000-8000-000000000000/fine/"
    assert browser_of(alice, acme).post(gone).status_code == 404


@pytest.mark.parametrize("answer", ["replaced", "revoked"])
def test_replacing_and_revoking_answer_it_at_once(settled, acme, alice, answer):
    use(settled, after(minutes=1), address="198.51.100.9")
    look(after(minutes=2))
    assert len(strip.open_findings(acme, alice, sees_all=True, now=after(minutes=3))) == 1
    if answer == "revoked":
        settled.revoke(by=cast.OPERATOR, reason="leaked", now=after(minutes=4))
    else:
        settled.replace(by=cast.OPERATOR, now=after(minutes=4))
    assert strip.open_findings(acme, alice, sees_all=True, now=after(minutes=5)) == []
    look(after(minutes=5))
    assert Finding.objects.get().answer == answer


def test_what_was_not_found_fine_is_unexpected_of_the_successor_too(settled):
    use(settled, after(minutes=1), address="198.51.100.9")
    look(after(minutes=2))
    successor = settled.replace(by=cast.OPERATOR, now=after(minutes=4)).token
    use(successor, after(5), address="198.51.100.9")
    look(after(5, minutes=1))
    assert Finding.objects.filter(token_public_id=successor.public_id, answer="").count() == 1


def test_the_strip_shows_each_its_own(settled, acme, alice, bob, charlie):
    use(settled, after(minutes=1), address="198.51.100.9")
    look(after(minutes=2))
    now = after(minutes=3)
    (shown,) = strip.open_findings(acme, alice, sees_all=True, now=now)
    assert (shown.may_replace, shown.may_revoke, shown.address) == (True, True, "198.51.100.9")
    assert strip.open_findings(acme, bob, sees_all=False, now=now) == []
    assert strip.open_findings(acme, alice, sees_all=True, now=now + 8 * DAY) == []


def test_a_finding_names_twenty_and_counts_the_rest(settled):
    use(settled, *[after(minutes=1)], address="198.51.0.9")
    for number in range(1, 30):
        use(settled, after(minutes=1, seconds=number), address=f"198.51.{number}.9")
    look(after(minutes=2))
    (finding,) = Finding.objects.all()
    assert (len(finding.evidence), finding.more, finding.others) == (20, 10, 29)
    assert look(after(minutes=3)).findings == 0


def test_a_service_that_comes_from_everywhere_is_not_told_of(token):
    for number in range(220):
        use(token, START + timedelta(seconds=number), address=f"10.{number // 100}.{number}.1")
    look(START + HOUR)
    use(token, START + 2 * DAY, address="192.0.2.1")
    look(START + 2 * DAY)
    assert Habit.objects.filter(rule="network").count() == 200
    assert found() == []


def test_late_rows_are_looked_at(settled):
    use(settled, after(minutes=30))
    look(after(minutes=31))
    use(settled, after(minutes=5), address="198.51.100.9")  # a drain was late
    look(after(minutes=40))
    assert [rule for rule, _ in found()] == ["network"]


def test_hostile_words_are_inert_and_short(settled, acme, alice):
    hostile = "<img src=x onerror=alert(1)>\u202e" + "W" * 60
    use(settled, after(minutes=1), client_name=hostile, address=hostile[:45])
    look(after(minutes=2))
    Finding.objects.update(last_at=datetime.now(UTC))
    browser = browser_of(alice, acme)
    for path in ("/activity/", f"/tokens/{settled.public_id}/activity/", "/activity/events/?range=30d"):
        page = browser.get(path).content.decode()
        assert "<img src=x" not in page
        assert "\u202e" not in page
    mail_unexpected(settled.pk)


def test_the_task_and_the_command_do_the_same_and_the_job_is_listed(settled, capsys):
    use(settled, after(minutes=1))
    count_calls()
    assert find_unexpected().startswith("tokens looked at: ")
    call_command("find_unexpected")
    assert capsys.readouterr().out == "Tokens looked at: 0, unexpected: 0, notices: 0\n"
    assert JobRun.objects.get(name="find-unexpected").started_by == "operator (find_unexpected)"


def test_connections_and_deleted_tokens_are_passed_over(settled):
    use(settled, after(minutes=1), token_public_id="connection01", token_kind="nxso", address="198.51.100.9")
    assert look(after(minutes=2)).tokens == 1
    assert found() == []
    assert look(after(minutes=3)).tokens == 0


def test_it_is_forgotten_with_the_calls(settled, settings):
    use(settled, after(minutes=1), address="198.51.100.9")
    look(after(minutes=2))
    keeping.forget(after(settings.NEXUS_ACTIVITY_DAYS + 4))
    assert [model.objects.count() for model in (Finding, Habit, Watch)] == [0, 0, 0]
