"""A machine stands for an application: a member of one account, which never signs in and gets no mail."""

from datetime import timedelta

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.http import HttpRequest
from django.test import Client
from django.utils import timezone

from profiles.adapter import PeopleOnly
from profiles.events import Action, Event
from profiles.models import Account, SignInLink, User
from profiles.models.sign_in import digest
from profiles.permissions import Act, Role
from tests import cast
from tests.cast import OPERATOR, PASSWORD
from tokens import keys, lookup

pytestmark = pytest.mark.django_db


@pytest.fixture
def member(acme):
    return User.objects.add_machine(acme, "Abc123", "Night report", Role.MEMBER, by=OPERATOR, now=timezone.now())


@pytest.fixture
def machine(member):
    return member.user


def test_it_is_a_member_with_a_role_and_has_no_account_of_its_own(machine, acme, work):
    assert acme.role_of(machine) is Role.MEMBER
    assert not Account.objects.filter(personal_of=machine).exists()
    assert not acme.lets(machine, Act.MANAGE_TOOLKITS)
    assert str(machine) == "Night report (machine)"
    assert machine.email == "machine-abc123@machine.invalid"
    actions = Event.objects.filter(account_id=acme.pk).values_list("action", flat=True)
    assert {Action.USER_ADDED, Action.MEMBER_ADDED} <= set(actions)


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN])
def test_it_never_owns_or_administers(acme, member, role):
    with pytest.raises(ValidationError):
        member.change_role(role, by=OPERATOR, now=timezone.now())
    with pytest.raises(ValidationError):
        User.objects.add_machine(acme, "other", "Other", role, by=OPERATOR, now=timezone.now())
    assert User.objects.filter(is_machine=True).count() == 1


def test_it_has_no_password_and_gets_none(machine):
    assert not machine.has_usable_password()
    with pytest.raises(ValidationError):
        machine.set_password(PASSWORD)


def test_a_password_that_got_into_the_database_all_the_same_signs_nobody_in(machine, alice):
    User.objects.filter(pk=machine.pk).update(password=alice.password)
    browser = Client()
    browser.post("/accounts/login/", {"login": machine.email, "password": PASSWORD})
    assert browser.get("/tokens/").status_code == 302
    assert PeopleOnly().authenticate(HttpRequest(), email=machine.email, password=PASSWORD) is None


def test_a_session_in_its_name_is_nobody_s(machine):
    browser = Client()
    browser.force_login(machine)
    assert browser.get("/tokens/").status_code == 302


def test_no_link_signs_it_in(machine):
    with pytest.raises(ValidationError):
        SignInLink.objects.make(machine, by=OPERATOR, now=timezone.now())
    with pytest.raises(CommandError, match="never signs in"):
        call_command("sign_in_link", machine.email)
    SignInLink.objects.create(user=machine, digest=digest("x"), expires_at=timezone.now() + timedelta(1))
    assert Client().post("/accounts/link/x/").status_code == 410


@pytest.mark.parametrize("path", ["/accounts/login/code/", "/accounts/password/reset/"])
def test_the_sign_in_pages_mail_it_nothing_and_answer_as_for_a_stranger(machine, path):
    answers = [Client().post(path, {"email": email}) for email in (machine.email, "machine-nobody@machine.invalid")]
    assert len({(answer.status_code, answer.get("Location")) for answer in answers}) == 1
    assert mail.outbox == []


def test_nobody_is_told_by_mail_of_its_tokens(machine, work, django_capture_on_commit_callbacks):
    token = cast.make_token(machine, work).token
    with django_capture_on_commit_callbacks(execute=True):
        token.revoke(by=OPERATOR, reason="unused", now=timezone.now())
    assert mail.outbox == []


def test_what_it_may_do_follows_its_role_at_once(member, machine, work):
    token = cast.make_token(machine, work)

    def may_use():
        return lookup.token_with(token.key.digest, keys.Kind.DELEGATED)[1].may_use

    assert may_use()
    before = lookup.epoch()
    member.change_role(Role.END_USER, by=OPERATOR, now=timezone.now())
    assert lookup.epoch() > before
    assert not may_use()
    work.assigned_members.add(member)
    assert may_use()


class TestInTheAdmin:
    @pytest.fixture
    def staff(self, acme):
        sam = cast.make_user("Sam", is_staff=True)
        browser = Client()
        browser.force_login(sam)
        browser.post("/accounts/confirm/", {"password": PASSWORD})
        return browser

    def members(self, acme, *rows):
        data = {"members-TOTAL_FORMS": len(rows), "members-INITIAL_FORMS": sum(bool(row[0]) for row in rows)}
        for index, (pk, email, role) in enumerate(rows):
            data |= {
                f"members-{index}-id": pk, f"members-{index}-account": acme.pk, f"members-{index}-user": email,
                f"members-{index}-role": role,
            }  # fmt: skip
        return data

    def test_it_is_shown_as_a_machine_and_cannot_become_staff(self, staff, machine):
        path = f"/admin/profiles/user/{machine.pk}/change/"
        assert "Machine" in staff.get("/admin/profiles/user/").content.decode()
        answer = staff.post(path, {"name": "x", "time_zone": "UTC", "is_active": "on", "is_staff": "on"})
        assert "never staff" in answer.content.decode()
        machine.refresh_from_db()
        assert not machine.is_staff

    def test_its_role_is_changed_and_never_to_owner(self, staff, acme, alice, bob, member):
        owner, other = acme.members.get(user=alice), acme.members.get(user=bob)
        rows = [(owner.pk, alice.email, "owner"), (other.pk, bob.email, "member")]
        path = f"/admin/profiles/account/{acme.pk}/change/"
        answer = staff.post(path, self.members(acme, *rows, (member.pk, member.user.email, "owner")))
        assert "A machine manages nothing" in answer.content.decode()
        answer = staff.post(path, self.members(acme, *rows, (member.pk, member.user.email, "end_user")))
        assert answer.status_code == 302
        member.refresh_from_db()
        assert member.role == "end_user"

    def test_it_is_not_taken_into_another_account(self, staff, machine, charlie):
        other = cast.make_account("Other", owner=charlie)
        row = (other.members.get().pk, charlie.email, "owner")
        path = f"/admin/profiles/account/{other.pk}/change/"
        answer = staff.post(path, self.members(other, row, ("", machine.email, "member")))
        assert "Nobody here has this address" in answer.content.decode()
        assert other.members.count() == 1
