"""A row that is inserted by ready-made SQL is the row that Django would have saved."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from tests import cast
from tokens.models import DelegatedToken
from tokens.models.inserting import insert

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
OWN = ("id", "public_id", "digest", "family", "name", "next_look_at")


def unsaved(owner, toolkit, name, now):
    return DelegatedToken(
        public_id=name.ljust(12, "x"), digest=uuid.uuid4().hex * 2, last_four="wxyz", owner=owner,
        account=toolkit.account, toolkit=toolkit, name=name, issued_at=now, activated_at=now,
        expires_at=now + timedelta(hours=1), actors=[{"client_id": "c", "name": "“C”"}], tools=["echo__echo"],
        networks=["10.0.0.0/8"],
    )  # fmt: skip


def test_it_holds_what_saving_would_have_written(alice, work):
    now = timezone.now().replace(microsecond=0)
    saved, inserted = unsaved(alice, work, "saved", now), unsaved(alice, work, "inserted", now)
    saved.save(force_insert=True)
    insert(inserted)
    one, other = (DelegatedToken.objects.filter(pk=each.pk).values().get() for each in (saved, inserted))
    assert {name: one[name] for name in one if name not in OWN} == {
        name: other[name] for name in one if name not in OWN
    }
    assert other["name"] == "inserted"
    assert abs(one["next_look_at"] - other["next_look_at"]) < timedelta(minutes=1)


def test_what_the_database_filled_in_is_read_when_it_is_asked_for(alice, work):
    token = unsaved(alice, work, "late", timezone.now())
    insert(token)
    assert (token.generation, token.pause_reason) == (1, "")
    token.name = "changed"
    token.save()
    assert DelegatedToken.objects.get(pk=token.pk).name == "changed"


def test_a_constraint_holds_as_ever(alice, work):
    cast.make_token(alice, work, "twice")
    twice = unsaved(alice, work, "twice", timezone.now())
    with pytest.raises(Exception, match=r"(?i)unique|one_family_per_name"):
        insert(twice)
