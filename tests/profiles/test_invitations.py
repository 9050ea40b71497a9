"""Invitations: one link, for one address, once."""

import re
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.exceptions import ValidationError
from django.utils import timezone

from profiles.events import Action, Event
from profiles.models import Invitation, User
from profiles.permissions import Role
from tests import cast
from tests.security.pages import browser

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def owner(acme, alice):
    client = browser(alice)
    client.post("/settings/account/", {"account": str(acme.pk)})
    return client


def invite(client, email="charlie@example.com", role="member", **fields):
    return client.post("/members/invite/", {"email": email, "role": role, **fields})


def link() -> str:
    """Return the path of the link in the newest mail."""
    return re.search(r"https?://[^/\s]+(/accounts/invitation/\S+)", mail.outbox[-1].body)[1]


def said(answer) -> str:
    return " ".join(answer.content.decode().split())


def test_somebody_who_is_known_signs_in_and_accepts_once(owner, acme, charlie):
    assert invite(owner).url == "/members/"
    assert mail.outbox[-1].to == ["charlie@example.com"]
    client, path = browser(charlie), link()
    assert client.get(path).url == "/accounts/invitation/"
    assert not acme.members.filter(user=charlie).exists()
    assert "Join Acme" in said(client.get("/accounts/invitation/"))
    assert client.post("/accounts/invitation/").url == "/"
    assert acme.role_of(charlie) is Role.MEMBER
    assert "Welcome to Acme" in said(client.get("/"))
    assert client.get(path).status_code == 410
    actions = Event.objects.filter(account_id=acme.pk).values_list("action", flat=True)
    assert {Action.INVITATION_SENT, Action.INVITATION_ACCEPTED, Action.MEMBER_ADDED} <= set(actions)


def test_somebody_new_signs_up_even_where_sign_up_is_closed(owner, acme, settings):
    settings.NEXUS_SIGN_UP = "closed"
    invite(owner, "new@example.com", "end_user", toolkits=[str(acme.toolkits.get().pk)])
    client = browser()
    assert "Sign-up is closed" in said(client.get("/accounts/signup/"))
    client.get(link())
    assert "new@example.com" in said(client.get("/accounts/signup/?next=/accounts/invitation/"))
    form = {"email": "other@example.com", "password1": cast.PASSWORD, "password2": cast.PASSWORD,
            "next": "/accounts/invitation/"}  # fmt: skip
    assert client.post("/accounts/signup/", form).url == "/accounts/invitation/"
    person = User.objects.get(email="new@example.com")  # whatever the form said
    assert not User.objects.filter(email="other@example.com").exists()
    assert EmailAddress.objects.get(user=person).verified
    client.post("/accounts/invitation/")
    assert acme.role_of(person) is Role.END_USER
    assert list(acme.members.get(user=person).assigned_toolkits.all()) == [acme.toolkits.get()]


def test_sign_up_closes_again_when_the_invitation_is_over(owner, settings):
    settings.NEXUS_SIGN_UP = "closed"
    invite(owner, "new@example.com")
    client = browser()
    client.get(link())
    Invitation.objects.update(expires_at=timezone.now())
    form = {"email": "new@example.com", "password1": cast.PASSWORD, "password2": cast.PASSWORD}
    assert "Sign-up is closed" in said(client.post("/accounts/signup/", form))
    assert not User.objects.filter(email="new@example.com").exists()


def test_it_is_good_for_the_invited_address_alone(owner, acme, bob, charlie):
    invite(owner, "new@example.com")
    client = browser(charlie)
    client.get(link())
    assert "signed in with another address" in said(client.get("/accounts/invitation/"))
    assert client.post("/accounts/invitation/").status_code == 403
    assert browser().post("/accounts/invitation/").status_code == 410
    assert acme.members.count() == 2


def test_the_link_is_kept_by_its_digest_and_shown_to_nobody_else(owner, acme):
    answer = invite(owner, "new@example.com")
    secret = link().split("/")[-2]
    assert len(secret) >= 43
    assert secret not in str(Invitation.objects.values())
    assert secret not in str(list(Event.objects.values()))
    assert secret not in said(owner.get(answer.url))
    client = browser()
    assert secret not in client.get(link()).url
    assert secret not in str(dict(client.session))


def test_a_known_and_an_unknown_address_get_the_same_answer(owner, charlie):
    first, second = (invite(owner, email) for email in ("charlie@example.com", "nobody@example.com"))
    assert (first.status_code, first.url) == (second.status_code, second.url)
    page = said(owner.get("/members/"))
    assert page.count("charlie@example.com") == page.count("nobody@example.com")
    assert "Charlie" not in page


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"email": ""}, "required"),
        ({"email": "nobody"}, "valid email"),
        ({"email": "a@example.com\r\nBcc: x@example.com"}, "valid email"),
        ({"email": "bob@example.com"}, "is a member already"),
        ({"email": "machine-x@machine.invalid"}, "No mail reaches"),
        ({"role": "king"}, "valid choice"),
        ({"toolkits": ["x"]}, "not a valid UUID"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_mailed(owner, fields, problem):
    answer = invite(owner, **{"email": "new@example.com", **fields})
    assert (answer.status_code, problem in said(answer)) == (422, True)
    assert mail.outbox == []


def test_inviting_wants_a_confirmation_and_keeps_what_was_typed(acme, alice):
    client = browser(alice, confirmed_ago=700)
    client.post("/settings/account/", {"account": str(acme.pk)})
    assert invite(client, "new@example.com").status_code == 303
    assert mail.outbox == []
    assert "new@example.com" in said(client.get("/members/invite/"))


def test_an_admin_invites_no_owner(acme):
    dora = cast.make_user("Dora")
    acme.members.create(user=dora, role=Role.ADMIN)
    client = browser(dora)
    client.post("/settings/account/", {"account": str(acme.pk)})
    assert invite(client, "new@example.com", "owner").status_code == 422
    with pytest.raises(ValidationError):
        Invitation.objects.invite(acme, "n@example.com", Role.OWNER, inviter=dora, by=cast.OPERATOR, now=timezone.now())
    owned, _ = Invitation.objects.invite(
        acme, "n@example.com", Role.OWNER, inviter=acme.members.get(role="owner").user, by=cast.OPERATOR,
        now=timezone.now(),
    )  # fmt: skip
    for act in ("resend", "cancel"):
        client.post(f"/invitations/{owned.pk}/{act}/")
    assert Invitation.objects.open().get().sent_at == owned.sent_at
    assert mail.outbox == []


def test_sending_again_makes_the_first_link_worthless(owner, acme):
    invite(owner, "new@example.com")
    first, sent = link(), Invitation.objects.get()
    Invitation.objects.update(expires_at=timezone.now())
    assert "expired" in said(owner.get("/members/"))
    owner.post(f"/invitations/{sent.pk}/resend/")
    assert browser().get(first).status_code == 410
    assert browser().get(link()).status_code == 302
    assert invite(owner, "new@example.com").status_code == 422  # open already


def test_a_cancelled_one_leads_nowhere(owner, acme, charlie):
    invite(owner)
    client = browser(charlie)
    client.get(link())
    owner.post(f"/invitations/{Invitation.objects.get().pk}/cancel/")
    assert client.post("/accounts/invitation/").status_code == 410
    assert browser().get(link()).status_code == 410
    owner.post(f"/invitations/{Invitation.objects.get().pk}/resend/")
    assert len(mail.outbox) == 1
    assert invite(owner).status_code == 302  # it can be invited once more


@pytest.mark.parametrize("end", [timedelta(days=7), timedelta(days=8)])
def test_it_ends_after_seven_days(acme, alice, charlie, end):
    now = timezone.now()
    sent, secret = Invitation.objects.invite(
        acme, "charlie@example.com", Role.MEMBER, inviter=alice, by=cast.OPERATOR, now=now - end
    )
    assert Invitation.objects.with_secret(secret, now=now) is None
    assert sent.accept(charlie, by=cast.OPERATOR, now=now) is None
    assert Invitation.objects.with_secret(secret, now=sent.expires_at - timedelta(seconds=1)) == sent


def test_it_is_accepted_by_one_of_two(acme, alice, charlie):
    now = timezone.now()
    sent, _ = Invitation.objects.invite(
        acme, "Charlie@Example.com", Role.MEMBER, inviter=alice, by=cast.OPERATOR, now=now
    )
    again = Invitation.objects.get()
    assert sent.accept(charlie, by=cast.OPERATOR, now=now)
    assert again.accept(charlie, by=cast.OPERATOR, now=now) is None
    assert acme.members.filter(user=charlie).count() == 1


def test_who_became_a_member_meanwhile_stays_what_they_are(acme, alice, charlie):
    now = timezone.now()
    sent, _ = Invitation.objects.invite(
        acme, "charlie@example.com", Role.ADMIN, inviter=alice, by=cast.OPERATOR, now=now
    )
    acme.add_member(charlie, Role.END_USER, by=cast.OPERATOR, now=now)
    assert sent.accept(charlie, by=cast.OPERATOR, now=now).role == "end_user"


def test_nobody_s_mailbox_is_flooded(owner, acme, alice, bob):
    for _ in range(3):
        assert invite(owner, "new@example.com").status_code == 302
        Invitation.objects.update(cancelled_at=timezone.now())
    answer = invite(owner, "new@example.com")
    assert (answer.status_code, "within a day" in said(answer)) == (422, True)
    other = cast.make_account("Other", owner=bob)  # nor in the name of another organization
    with pytest.raises(ValidationError, match="within a day"):
        Invitation.objects.invite(
            other, "new@example.com", Role.MEMBER, inviter=bob, by=cast.OPERATOR, now=timezone.now()
        )
    assert len(mail.outbox) == 3


def test_a_person_and_an_organization_send_so_many_a_day(owner, monkeypatch):
    monkeypatch.setattr("profiles.models.invitations.OF_A_PERSON", 1)
    assert invite(owner, "one@example.com").status_code == 302
    assert invite(owner, "two@example.com").status_code == 422


def test_a_mail_that_cannot_be_sent_is_said_and_can_be_sent_again(owner, monkeypatch):
    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", _refuse)
    assert "could not be sent" in said(
        owner.post("/members/invite/", {"email": "n@example.com", "role": "member"}, follow=True)
    )
    assert Invitation.objects.open().count() == 1


def _refuse(*args):
    raise ConnectionRefusedError


@pytest.mark.parametrize("secret", ["x", "x" * 43, "%F0%9F%98%80", "a" * 300])
def test_a_guess_leads_nowhere(client, db, secret):
    assert client.get(f"/accounts/invitation/{secret}/").status_code == 410
    assert client.post(f"/accounts/invitation/{secret}/").status_code == 405


def test_a_name_with_markup_is_inert_in_the_mail(owner, acme):
    acme.rename("<img src=x onerror=alert(1)>", by=cast.OPERATOR, now=timezone.now())
    invite(owner, "new@example.com")
    html = mail.outbox[-1].alternatives[0][0]
    assert "<img" not in html
    assert "\n" not in mail.outbox[-1].subject
