"""Rows 30 to 32 as pages go: ids of others change nothing, and no filter, search or count tells that they are there.

Which addresses let whom in at all is row 23.
"""

import pytest
from django.utils import timezone

from profiles.models import Event, Invitation, Member, Toolkit
from profiles.permissions import Role
from tests import cast
from tests.security.pages import browser
from tokens.models import DelegatedToken

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def gina(db):
    """Owns another organization, which the portal shows her."""
    return cast.make_user("Gina")


@pytest.fixture
def other(gina):
    return cast.make_account("Other", owner=gina)


@pytest.fixture
def as_gina(gina, other):
    client = browser(gina)
    client.post("/settings/account/", {"account": str(other.pk)})
    return client


def page(answer) -> str:
    return answer.content.decode()


def test_an_id_of_others_and_one_that_is_not_there_get_the_same_page(as_gina, acme, bob, alice, work):
    token = cast.make_token(bob, work).token
    invitation, _ = Invitation.objects.invite(
        acme, "new@example.com", Role.MEMBER, inviter=alice, by=cast.OPERATOR, now=timezone.now()
    )
    missing = "00000000-0000-4000-8000-000000000000"
    pairs = [
        (f"/members/{acme.members.get(user=bob).pk}/", "/members/999999/"),
        (f"/tokens/{token.public_id}/", "/tokens/000000000000/"),
        (f"/tokens/of/{bob.pk}/revoke/", "/tokens/of/999999/revoke/"),
        (f"/toolkits/{work.pk}/", f"/toolkits/{missing}/"),
        (f"/organizations/{acme.pk}/", f"/organizations/{missing}/"),
    ]
    for there, absent in pairs:
        first, second = as_gina.get(there), as_gina.get(absent)
        assert (first.status_code, second.status_code) == (404, 404), there
        assert page(first).replace(there, "") == page(second).replace(absent, "")
    for act in ("resend", "cancel"):
        assert as_gina.post(f"/invitations/{invitation.pk}/{act}/").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/members/?q=bob", "/members/?q=example.com", "/members/?role=member", "/tokens/?text=n8n",
        "/tokens/?toolkit={work}", "/tokens/?made=exchange", "/activity/?token={token}", "/activity/?toolkit={work}",
        "/activity/?account={acme}", "/tokens/?account={acme}", "/install/?profile=work",
    ],
)  # fmt: skip
def test_no_filter_or_search_counts_what_others_have(as_gina, acme, bob, work, path):
    token = cast.make_token(bob, work).token
    filled = path.format(work=work.pk, token=token.public_id, acme=acme.pk)
    answer = as_gina.get(filled)
    assert answer.status_code in (200, 422)
    for word in ("bob@example.com", "n8n (", token.public_id[:8], "Acme"):
        assert word not in page(answer).replace(filled, "").replace(token.public_id, ""), (
            word
        )  # what was asked is said again


def test_own_and_foreign_ids_together_change_the_own_at_most(as_gina, other, gina, acme, work, bob):
    eve = cast.make_user("Eve")
    member = other.members.create(user=eve, role=Role.END_USER)
    own = other.toolkits.get()
    as_gina.post(f"/members/{member.pk}/toolkits/", {"toolkits": [str(own.pk), str(work.pk)]})
    assert not Toolkit.objects.usable_by(eve).filter(account=acme).exists()
    as_gina.post("/members/invite/", {"email": "n@example.com", "role": "end_user", "toolkits": [str(work.pk)]})
    assert not Invitation.objects.filter(toolkits=work).exists()
    entry = work.entries.first()
    as_gina.post(f"/toolkits/{own.pk}/approve/", {f"entry-{entry.pk}": entry.tool.digest, "entry": str(entry.pk)})
    before = work.entries.values_list("pk", "is_allowed")
    as_gina.post(f"/toolkits/{own.pk}/servers/{entry.tool.server_id}/tools/", {"tools": [str(entry.pk)]})
    assert list(work.entries.values_list("pk", "is_allowed")) == list(before)
    assert not Event.objects.filter(account_id=acme.pk, actor_label="gina@example.com").exists()


def test_fields_that_a_form_does_not_have_are_ignored(as_gina, other, acme, bob):
    as_gina.post(
        f"/organizations/{other.pk}/",
        {"name": "Renamed", "id": str(acme.pk), "personal_of": "1", "deleted_at": "2026-01-01", "paused_at": "x"},
    )
    other.refresh_from_db()
    assert (other.name, other.personal_of, other.deleted_at, other.paused_at) == ("Renamed", None, None, None)
    eve = other.members.create(user=cast.make_user("Eve"), role=Role.MEMBER)
    as_gina.post(f"/members/{eve.pk}/role/", {"role": "admin", "account": str(acme.pk), "user": bob.pk})
    assert Member.objects.get(pk=eve.pk).account == other
    assert Member.objects.get(pk=eve.pk).user.email == "eve@example.com"


def test_acts_of_admins_are_refused_to_members_and_seen_as_theirs_when_admins_do_them(acme, alice, bob, work):
    mine, theirs = cast.make_token(bob, work).token, cast.make_token(alice, work, "other").token
    member = browser(bob)
    member.post("/settings/account/", {"account": str(acme.pk)})
    for path in (
        f"/tokens/{theirs.public_id}/revoke/",
        f"/tokens/of/{alice.pk}/revoke/",
        f"/tokens/toolkit/{work.pk}/revoke/",
    ):
        assert member.post(path, {"reason": "lost"}).status_code == 404
    owner = browser(alice)
    owner.post("/settings/account/", {"account": str(acme.pk)})
    answer = owner.get(f"/tokens/{mine.public_id}/")
    assert mine.digest not in page(answer)
    owner.post(f"/tokens/{mine.public_id}/revoke/", {"reason": "admin"})
    revoked = DelegatedToken.objects.get(pk=mine.pk)
    assert DelegatedToken.objects.get(pk=theirs.pk).revoked_at is None
    if revoked.revoked_at:
        event = Event.objects.get(action="token.revoked", subject_id=str(mine.pk))
        assert event.actor_label == "alice@example.com"
