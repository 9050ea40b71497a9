from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from profiles.events import Event
from tests import cast
from tokens.models import DelegatedToken, ManagementKey

pytestmark = pytest.mark.django_db
NOW = timezone.now().replace(microsecond=0)


@pytest.fixture
def key(alice, acme):
    return cast.make_key(alice, acme, ["tokens:read", "tokens:issue"], now=NOW)[0]


def issue(key, toolkit, name="n8n", owner=None, life=timedelta(days=7), now=NOW):
    return DelegatedToken.objects.issue(
        owner=owner or key.owner, toolkit=toolkit, name=name, expires_at=now + life, by=cast.OPERATOR, now=now,
        issued_by_key=key,
    ).token  # fmt: skip


def test_only_the_digest_of_a_key_is_kept(alice, acme):
    key, secret = cast.make_key(alice, acme, ["tokens:write", "tokens:read"])
    stored = ManagementKey.objects.filter(pk=key.pk).values_list()[0]
    assert not any(secret[20:40] in str(value) for value in stored)
    assert (secret[:5], len(secret), key.scopes) == ("nxsa_", 67, ["tokens:read", "tokens:write"])


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("scopes", {"scopes": []}),
        ("scopes", {"scopes": ["tokens:everything"]}),
        ("expires_at", {"life": timedelta(days=90, seconds=1)}),
        ("expires_at", {"life": timedelta(seconds=30)}),
        ("networks", {"ranges": ["nonsense"]}),
        ("networks", {"ranges": [f"10.0.{number}.0/24" for number in range(21)]}),
        ("name", {"name": "two\nlines\x00"}),
        ("name", {"name": ""}),
    ],
)
def test_a_key_that_cannot_be_is_refused_by_field(alice, acme, field, changes):
    with pytest.raises(ValidationError) as refused:
        cast.make_key(alice, acme, **changes)
    assert list(refused.value.message_dict) == [field]


def test_nobody_makes_a_key_for_what_they_may_not_do(bob, acme):
    with pytest.raises(ValidationError, match="policies:write"):
        cast.make_key(bob, acme, ["policies:write"])


def test_two_living_keys_of_one_name_are_refused(alice, acme, key):
    with pytest.raises(ValidationError, match="already called"):
        cast.make_key(alice, acme, name="terraform")


def test_the_database_holds_the_90_days(key):
    with pytest.raises(IntegrityError), transaction.atomic():
        ManagementKey.objects.filter(pk=key.pk).update(expires_at=NOW + timedelta(days=91))


def test_a_replacement_takes_over_at_its_first_use_and_the_old_key_lives_on_for_a_while(key):
    made, _ = ManagementKey.objects.replace(key, by=cast.OPERATOR, now=NOW, overlap=timedelta(hours=2))
    assert (made.state(NOW), made.scopes, made.name) == ("pending", key.scopes, key.name)
    made.note_use(address="127.0.0.1", now=NOW)
    key.refresh_from_db()
    assert (key.state(NOW), key.ends_at) == ("overlapping", NOW + timedelta(hours=2))
    assert key.has_ended(NOW + timedelta(hours=2))
    assert ManagementKey.objects.living(NOW).count() == 2


def test_a_second_replacement_cancels_the_pending_one(key):
    first, _ = ManagementKey.objects.replace(key, by=cast.OPERATOR, now=NOW)
    ManagementKey.objects.replace(key, by=cast.OPERATOR, now=NOW)
    first.refresh_from_db()
    assert first.state(NOW) == "revoked"
    first.note_use(address="127.0.0.1", now=NOW)
    assert key.generations().filter(stage="pending").count() == 1


def test_an_ended_key_cannot_be_replaced(key):
    key.revoke(by=cast.OPERATOR, reason="unneeded", now=NOW)
    with pytest.raises(ValidationError, match="nothing to replace"):
        ManagementKey.objects.replace(key, by=cast.OPERATOR, now=NOW)


def test_what_a_key_issued_ends_with_it_and_other_tokens_do_not(alice, work, key):
    issued, own = issue(key, work), cast.make_token(alice, work, "by hand", now=NOW).token
    successor, _ = ManagementKey.objects.replace(key, by=cast.OPERATOR, now=NOW)
    assert successor.revoke(by=cast.OPERATOR, reason="leaked", note="in a log", now=NOW)
    for each in (issued, own, key):
        each.refresh_from_db()
    assert (issued.state(NOW), own.state(NOW), key.state(NOW)) == ("revoked", "active", "revoked")
    assert issued.revoke_reason == "parent"
    assert Event.objects.filter(action="key.revoked", reason="Leaked: in a log").count() == 2


def test_a_token_is_not_issued_beyond_the_key_or_by_one_that_may_not(alice, bob, work, key):
    beyond = cast.make_toolkit(cast.make_account("Other", owner=alice), "other", cast.make_server("other"))
    reader, _ = cast.make_key(alice, work.account, name="reader")
    short, _ = cast.make_key(alice, work.account, ["tokens:issue"], "short", timedelta(days=1), NOW)
    for attempt in (
        lambda: issue(short, work, life=timedelta(days=2)),
        lambda: issue(reader, work),
        lambda: issue(key, beyond),
        lambda: issue(key, work, owner=bob),
    ):
        with pytest.raises(ValidationError):
            attempt()
    assert not DelegatedToken.objects.exists()


def test_a_token_that_a_key_replaces_ends_with_the_key(alice, work, key):
    token = cast.make_token(alice, work, now=NOW).token
    successor = token.replace(by=cast.OPERATOR, now=NOW, issued_by_key=key).token
    key.revoke(by=cast.OPERATOR, reason="unneeded", now=NOW)
    successor.refresh_from_db()
    token.refresh_from_db()
    assert (successor.state(NOW), token.state(NOW)) == ("revoked", "active")
