"""The count of changes of rights, and the log beside it."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from profiles.events import Event
from tests import cast
from tokens import tasks
from tokens.models import Authority, AuthorityChange

pytestmark = pytest.mark.django_db(databases="__all__")


def test_each_change_counts_once_and_says_whom_it_concerns(alice, work):
    token = cast.make_token(alice, work).token
    before = Authority.objects.get().epoch
    token.revoke(by=cast.OPERATOR, reason="other", now=timezone.now())
    assert Authority.objects.get().epoch == before + 1
    change = AuthorityChange.objects.get(epoch=before + 1)
    assert (change.scope, change.subject) == ("token", str(token.pk))


def test_a_change_that_is_taken_back_was_never_counted(alice, work):
    token = cast.make_token(alice, work).token
    before = Authority.objects.get().epoch
    with transaction.atomic():
        token.revoke(by=cast.OPERATOR, reason="other", now=timezone.now())
        transaction.set_rollback(True)
    assert Authority.objects.get().epoch == before


def test_the_sweep_forgets_changes_of_which_every_hub_has_heard(alice, work):
    cast.make_token(alice, work).token.revoke(by=cast.OPERATOR, reason="other", now=timezone.now())
    newest = AuthorityChange.objects.latest("epoch")
    AuthorityChange.objects.exclude(pk=newest.pk).update(at=timezone.now() - timedelta(hours=2))
    tasks.sweep_tokens()
    assert list(AuthorityChange.objects.all()) == [newest]


def test_tokens_end_for_good_with_the_access_of_their_owner(alice, bob, acme, work):
    own, theirs = cast.make_token(alice, work).token, cast.make_token(bob, work).token
    acme.members.get(user=bob).remove(by=cast.OPERATOR, now=timezone.now())
    theirs.refresh_from_db()
    own.refresh_from_db()
    assert (theirs.revoke_reason, own.revoked_at) == ("left", None)
    alice.disable(by=cast.OPERATOR, now=timezone.now())
    alice.enable(by=cast.OPERATOR, now=timezone.now())
    own.refresh_from_db()
    assert own.revoke_reason == "left"


def test_a_sweep_ends_what_is_over_once_and_writes_its_event(alice, work):
    now = timezone.now()
    cast.make_token(alice, work, "over", timedelta(hours=1), now=now - timedelta(hours=2))
    cast.make_token(alice, work, "running")
    said = [tasks.sweep_tokens(), tasks.sweep_tokens()]
    assert [text.partition(",")[0] for text in said] == ["tokens ended: 1", "tokens ended: 0"]
    events = Event.objects.filter(action="token.expired")
    assert [event.subject_label.split(" ")[0] for event in events] == ["over"]
