"""Row 59: leaked credentials are taken from anybody, and nobody learns from the answer which are real."""

import json

import pytest
from django.core import mail

from profiles.events import Event
from tests import cast
from tests.security.pages import browser
from tokens import keys, tasks
from tokens.models import OAuthSession

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
PATH = "/api/v1/credentials/revoke"


@pytest.fixture
def queue(monkeypatch, django_capture_on_commit_callbacks):
    """What was handed over to the worker; `run` does it, with the mails that come of it."""

    class Queue(list):
        def run(self):
            while self:
                name, args = self.pop(0)
                with django_capture_on_commit_callbacks(execute=True):
                    getattr(tasks, name.rpartition(".")[2])(*args)

    queue = Queue()
    monkeypatch.setattr("celery.current_app.send_task", lambda name, args, **options: queue.append((name, args)))
    return queue


def report(client, credentials, address="203.0.113.7", **headers):
    content = json.dumps({"credentials": credentials})
    return client.post(PATH, content, content_type="application/json", REMOTE_ADDR=address, headers=headers)


def test_what_is_real_is_revoked_and_its_owner_told(client, queue, alice, bob, work):
    issued, other = cast.make_token(bob, work), cast.make_token(alice, work, "ci")
    successor = issued.token.replace(by=cast.OPERATOR, now=cast.timezone.now())
    assert report(client, [issued.key.text, keys.make(keys.Kind.DELEGATED).text, "garbage", 7, None]).status_code == 202
    queue.run()
    for token, reason in ((issued.token, "leaked"), (successor.token, "leaked"), (other.token, "")):
        token.refresh_from_db()
        assert token.revoke_reason == reason
    [message] = mail.outbox
    assert message.to == ["bob@example.com"]
    assert "a leak report has revoked" in message.body
    event = Event.objects.get(action="token.leak_reported")
    assert (event.subject_id, event.address) == (str(issued.token.pk), "203.0.113.7")
    report(client, [issued.key.text])
    queue.run()
    assert Event.objects.filter(action="token.leak_reported").count() == 1


def test_a_token_of_an_application_ends_its_session(client, queue, bob, work):
    token, secret = cast.make_access_token(bob, work, cast.make_application(name="Desk"))
    report(client, [secret])
    queue.run()
    assert OAuthSession.objects.get(pk=token.session_id).ended_at is not None
    [message] = mail.outbox
    assert "Desk" in message.subject
    assert secret[20:] not in message.body + message.subject


def test_neither_answer_nor_what_is_handed_over_tells_real_from_invented(client, queue, bob, work):
    real, invented = cast.make_token(bob, work).key.text, keys.make(keys.Kind.DELEGATED).text
    answers = [report(client, [text]) for text in (real, invented, "garbage")]
    assert len({(answer.status_code, answer.content, answer["Content-Type"]) for answer in answers}) == 1
    assert [len(args[0]) for _, args in queue] == [1, 1, 0]
    for secret in (real, invented):  # a broker keeps what it is given
        assert secret[20:40] not in repr(list(queue))


def test_the_database_is_not_asked_about_any_of_them(client, queue, bob, work, django_assert_num_queries):
    report(client, ["garbage"])
    counts = []
    for texts in ([cast.make_token(bob, work, "a").key.text], ["garbage"] * 1000):
        with django_assert_num_queries(4, exact=False) as counted:
            report(client, texts)
        counts.append(len(counted))
    assert counts[0] == counts[1]


def test_sixty_reports_an_hour_are_taken_from_one_address(client, queue):
    statuses = [report(client, ["garbage"]).status_code for _ in range(61)]
    assert statuses == [202] * 60 + [429]
    refused = report(client, ["garbage"])
    assert (refused.status_code, refused["Retry-After"]) == (429, "3600")
    assert report(client, ["garbage"], address="203.0.113.8").status_code == 202


@pytest.mark.parametrize(
    "content", ["", "[]", "7", "{}", '{"credentials": []}', '{"credentials": "nxs_"}', "{", '{"credentials": {}}'],
    ids=["nothing", "list", "number", "empty", "none", "text", "broken", "object"],
)  # fmt: skip
def test_what_is_no_list_is_refused_in_words(client, queue, content):
    answer = client.post(PATH, content, content_type="application/json")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert queue == []


def test_more_than_a_thousand_are_refused_and_a_thousand_taken(client, queue):
    assert report(client, ["x"] * 1001).status_code == 400
    assert report(client, ["\0\ud800 ünicode " * 10] * 1000).status_code == 202


def test_whoever_says_who_they_are_is_refused(client, queue, alice, bob, work):
    secret = cast.make_token(bob, work).key.text
    assert report(browser(alice), [secret]).status_code == 403
    assert report(client, [secret], authorization=f"Bearer {secret}").status_code == 403
    assert queue == []


def test_a_public_id_revokes_nothing(client, queue, bob, work):
    issued = cast.make_token(bob, work)
    report(client, [issued.token.public_id, issued.token.masked, issued.key.digest])
    queue.run()
    issued.token.refresh_from_db()
    assert issued.token.revoked_at is None
