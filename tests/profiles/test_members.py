"""Who belongs to an organization: the page, roles, removal, and that somebody always owns it."""

from datetime import timedelta

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.utils import timezone

from profiles.events import Action, Event
from profiles.models import Account, Invitation, Member, Toolkit
from profiles.permissions import TABLE, Act, Role, is_wider, may_manage, roles_given_by
from profiles.tasks import mail_removed
from tests import cast
from tests.security.pages import browser

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def dora(acme):
    """Is an admin of Acme."""
    dora = cast.make_user("Dora")
    acme.members.create(user=dora, role=Role.ADMIN)
    return dora


@pytest.fixture
def eve(acme):
    """Is an end user of Acme."""
    eve = cast.make_user("Eve")
    acme.members.create(user=eve, role=Role.END_USER)
    return eve


def at(acme, user, **options):
    client = browser(user, **options)
    client.post("/settings/account/", {"account": str(acme.pk)})
    return client


def place(acme, user) -> Member:
    return acme.members.select_related("user", "account").get(user=user)


def said(answer) -> str:
    return " ".join(answer.content.decode().split())


class TestTheMatrix:
    def test_every_act_says_what_every_role_may(self):
        assert set(TABLE) == set(Act)
        assert all(set(row) == set(Role) for row in TABLE.values())

    def test_an_admin_can_neither_make_nor_take_an_owner(self):
        assert roles_given_by(Role.ADMIN) == [Role.ADMIN, Role.MEMBER, Role.END_USER]
        assert roles_given_by(Role.OWNER) == list(Role)
        assert roles_given_by(Role.MEMBER) == roles_given_by(Role.END_USER) == roles_given_by(None) == []
        assert not may_manage(Role.ADMIN, Role.OWNER, Role.MEMBER)

    def test_roles_are_ordered_from_the_widest(self):
        assert is_wider(Role.OWNER, Role.ADMIN)
        assert not is_wider(Role.END_USER, Role.MEMBER)
        assert not is_wider(Role.ADMIN, Role.ADMIN)


class TestThePage:
    def test_it_shows_role_tokens_and_when_somebody_was_active(self, acme, alice, bob, work):
        token = cast.make_token(bob, work).token
        type(token).objects.filter(pk=token.pk).update(last_used_at=timezone.now() + timedelta(days=400))
        page = said(at(acme, alice).get("/members/"))
        assert "bob@example.com" in page
        assert "1 token" in page
        assert str((timezone.now() + timedelta(days=400)).year) in page

    def test_what_a_person_has_elsewhere_is_not_counted(self, acme, alice, bob):
        cast.make_token(bob, bob.personal_account.toolkits.get())
        assert "1 token" not in said(at(acme, alice).get("/members/"))

    def test_its_queries_do_not_grow_with_the_members(self, acme, alice, work, django_assert_max_num_queries):
        client = at(acme, alice)
        for number in range(12):
            person = cast.make_user(f"Person{number}")
            acme.members.create(user=person, role=Role.MEMBER)
            if number < 3:
                cast.make_token(person, work)
        client.get("/members/")
        with django_assert_max_num_queries(16):
            assert "person11@example.com" in said(client.get("/members/"))

    def test_it_is_searched_by_name_address_and_role(self, acme, alice, dora, bob):
        client = at(acme, alice)
        assert "bob@example.com" not in said(client.get("/members/?q=DORA"))
        assert "dora@example.com" in said(client.get("/members/?q=dora@&role=admin"))
        assert "No member matches" in said(client.get("/members/?q=nobody"))
        answer = client.get("/members/?role=king")
        assert (answer.status_code, "means nothing here" in said(answer)) == (422, True)

    def test_many_members_come_in_pages(self, acme, alice, monkeypatch):
        monkeypatch.setattr("profiles.views_members.A_PAGE", 1)
        client = at(acme, alice)
        assert "1 to 1 of 2" in said(client.get("/members/"))
        assert "bob@example.com" in said(client.get("/members/?page=2"))
        assert client.get("/members/?page=zzz").status_code == 200

    @pytest.mark.parametrize("who", ["bob", "eve", "charlie"])
    def test_nobody_else_sees_it(self, acme, who, request):
        request.getfixturevalue("eve")
        user = request.getfixturevalue(who)
        client = browser(user)
        client.post("/settings/account/", {"account": str(acme.pk)})
        for path in (
            "/members/",
            "/members/invite/",
            f"/members/{place(acme, user.memberships.model.objects.get(account=acme, role='owner').user).pk}/",
        ):
            assert client.get(path).status_code == 404, path
        assert "/members/" not in said(client.get("/"))

    def test_a_personal_account_has_none(self, alice):
        assert browser(alice).get("/members/").status_code == 404

    def test_a_machine_is_no_member_to_manage(self, acme, alice):
        from profiles.models import User

        member = User.objects.add_machine(
            acme, "Client123456", "Robot", Role.MEMBER, by=cast.OPERATOR, now=timezone.now()
        )
        client = at(acme, alice)
        assert "1 application acts here" in said(client.get("/members/"))
        assert client.get(f"/members/{member.pk}/").status_code == 404
        assert client.post(f"/members/{member.pk}/remove/").status_code == 404


class TestRoles:
    def change(self, client, member, role):
        return client.post(f"/members/{member.pk}/role/", {"role": role})

    def test_an_owner_gives_any_role(self, acme, alice, bob):
        client, member = at(acme, alice), place(acme, bob)
        for role in ("owner", "admin", "end_user", "member"):
            assert self.change(client, member, role).status_code == 302
            assert place(acme, bob).role == role
        assert Event.objects.filter(action=Action.MEMBER_CHANGED, actor_label="alice@example.com").count() == 4

    def test_an_admin_gives_none_that_is_an_owners(self, acme, alice, bob, dora):
        client = at(acme, dora)
        assert self.change(client, place(acme, bob), "owner").status_code == 422
        assert self.change(client, place(acme, alice), "member").status_code == 422
        assert client.post(f"/members/{place(acme, alice).pk}/remove/").status_code == 302
        assert (place(acme, bob).role, place(acme, alice).role) == ("member", "owner")
        assert "Only an owner changes or removes an owner" in said(client.get(f"/members/{place(acme, alice).pk}/"))

    def test_a_wider_role_wants_a_confirmation_and_a_narrower_one_does_not(self, acme, alice, bob):
        client, member = at(acme, alice, confirmed_ago=700), place(acme, bob)
        answer = self.change(client, member, "admin")
        assert answer.status_code == 303
        assert "/accounts/confirm/" in answer.url
        assert place(acme, bob).role == "member"
        self.change(client, member, "end_user")
        assert place(acme, bob).role == "end_user"

    def test_the_last_owner_stays_one(self, acme, alice, bob):
        client, member = at(acme, alice), place(acme, alice)
        answer = self.change(client, member, "member")
        assert (answer.status_code, "needs an owner" in said(answer)) == (422, True)
        assert "only owner" in said(client.get(f"/organizations/{acme.pk}/leave/"))
        client.post(f"/organizations/{acme.pk}/leave/")
        assert place(acme, alice).role == "owner"

    def test_a_disabled_owner_does_not_count(self, acme, alice, bob):
        place(acme, bob).change_role(Role.OWNER, by=cast.OPERATOR, now=timezone.now())
        bob.disable(by=cast.OPERATOR, now=timezone.now())
        with pytest.raises(ValidationError, match="needs an owner"):
            place(acme, alice).remove(by=cast.OPERATOR, now=timezone.now())

    def test_the_right_is_looked_at_again_when_it_is_used(self, acme, bob):
        member = place(acme, bob)
        place(acme, bob).change_role(Role.OWNER, by=cast.OPERATOR, now=timezone.now())
        with pytest.raises(ValidationError, match="Only an owner"):
            member.change_role(Role.MEMBER, manager=Role.ADMIN, by=cast.OPERATOR, now=timezone.now())

    def test_nonsense_is_refused(self, acme, alice, bob):
        client, member = at(acme, alice), place(acme, bob)
        for role in ("", "king", "owner\0"):
            assert self.change(client, member, role).status_code == 422
        assert client.get(f"/members/{member.pk}/role/").status_code == 405
        assert client.get("/members/99999999999999999999/").status_code in (400, 404)


class TestAssignedToolkits:
    def test_an_end_user_uses_what_is_assigned_and_nothing_else(self, acme, alice, eve, work):
        client, member = at(acme, alice), place(acme, eve)
        assert client.post(f"/members/{member.pk}/toolkits/", {"toolkits": [str(work.pk)]}).status_code == 302
        assert list(Toolkit.objects.usable_by(eve).filter(account=acme)) == [work]
        assert Event.objects.get(action=Action.MEMBER_CHANGED).after == {"toolkits": ["work"]}
        client.post(f"/members/{member.pk}/toolkits/", {})
        assert not Toolkit.objects.usable_by(eve).filter(account=acme).exists()

    def test_more_wants_a_confirmation(self, acme, alice, eve, work):
        client, member = at(acme, alice, confirmed_ago=700), place(acme, eve)
        assert client.post(f"/members/{member.pk}/toolkits/", {"toolkits": [str(work.pk)]}).status_code == 303
        assert not member.assigned_toolkits.exists()

    def test_a_toolkit_of_others_or_a_wider_role_is_refused(self, acme, alice, bob, charlie, eve):
        foreign = charlie.personal_account.toolkits.get()
        client = at(acme, alice)
        for user, chosen in ((eve, str(foreign.pk)), (eve, "x"), (bob, str(acme.toolkits.first().pk))):
            client.post(f"/members/{place(acme, user).pk}/toolkits/", {"toolkits": [chosen]})
            assert not place(acme, user).assigned_toolkits.exists()


class TestRemoval:
    def test_tokens_end_at_once_and_the_person_is_told(
        self, acme, alice, bob, work, django_capture_on_commit_callbacks, monkeypatch
    ):
        sent = []
        monkeypatch.setattr(
            "profiles.models.members.current_app.send_task", lambda name, args: sent.append((name, args))
        )
        token = cast.make_token(bob, work).token
        client, member = at(acme, alice), place(acme, bob)
        assert "1 token" in said(client.get(f"/members/{member.pk}/remove/"))
        with django_capture_on_commit_callbacks(execute=True):
            assert client.post(f"/members/{member.pk}/remove/").url == "/members/"
        token.refresh_from_db()
        assert token.revoke_reason == "left"
        assert not acme.members.filter(user=bob).exists()
        told = [args for name, args in sent if name == "profiles.tasks.mail_removed"]
        assert told == [[bob.pk, "Acme", "alice@example.com", ""]]
        mail_removed(*told[0])
        assert mail.outbox[-1].to == ["bob@example.com"]
        assert "no longer a member of Acme" in mail.outbox[-1].subject
        assert "alice@example.com has removed you" in mail.outbox[-1].body

    def test_their_invitations_end_too(self, acme, dora):
        Invitation.objects.invite(
            acme, "new@example.com", Role.ADMIN, inviter=dora, by=cast.OPERATOR, now=timezone.now()
        )
        place(acme, dora).change_role(Role.MEMBER, by=cast.OPERATOR, now=timezone.now())
        assert Invitation.objects.get().cancelled_at

    def test_whoever_leaves_is_asked_first_and_loses_what_they_had(self, acme, bob, work):
        token = cast.make_token(bob, work).token
        client = at(acme, bob)
        assert "1 token" in said(client.get(f"/organizations/{acme.pk}/leave/"))
        assert acme.members.filter(user=bob).exists()
        assert client.post(f"/organizations/{acme.pk}/leave/").url == "/organizations/"
        token.refresh_from_db()
        assert token.revoked_at
        assert client.get(f"/organizations/{acme.pk}/leave/").status_code == 404

    def test_nobody_removes_themselves_by_the_wrong_page(self, acme, dora):
        client = at(acme, dora)
        answer = client.post(f"/members/{place(acme, dora).pk}/remove/")
        assert answer.url == f"/organizations/{acme.pk}/leave/"
        assert acme.members.filter(user=dora).exists()


class TestOrganizations:
    def test_anybody_opens_one_and_owns_it(self, charlie):
        client = browser(charlie)
        assert client.post("/organizations/new/", {"name": "Charlie & Co"}).url == "/members/"
        account = Account.objects.organizations().get()
        assert account.role_of(charlie) is Role.OWNER
        written = set(Event.objects.filter(account_id=account.pk).values_list("action", flat=True))
        assert {Action.ACCOUNT_ADDED, Action.MEMBER_ADDED} <= written
        assert "Charlie &amp; Co" in said(client.get("/members/"))

    @pytest.mark.parametrize("name", ["", "x" * 121, "a\nb", "\u202egnp", "  "])
    def test_a_name_is_plain_and_short(self, charlie, name):
        assert browser(charlie).post("/organizations/new/", {"name": name}).status_code == 422
        assert not Account.objects.organizations().exists()

    def test_there_is_a_limit_a_day(self, charlie, monkeypatch):
        monkeypatch.setattr("profiles.models.accounts.OPENED_A_DAY", 1)
        client = browser(charlie)
        client.post("/organizations/new/", {"name": "One"})
        assert client.post("/organizations/new/", {"name": "Two"}).status_code == 422
        assert Account.objects.organizations().count() == 1

    def test_an_admin_names_it(self, acme, dora):
        client = at(acme, dora)
        client.post(f"/organizations/{acme.pk}/", {"name": "Acme Ltd"})
        acme.refresh_from_db()
        assert acme.name == "Acme Ltd"
        assert Event.objects.get(action=Action.ACCOUNT_CHANGED).before == {"name": "Acme"}

    def test_it_is_handed_over_after_a_confirmation(self, acme, alice, bob):
        path = f"/organizations/{acme.pk}/hand-over/"
        late = at(acme, alice, confirmed_ago=700)
        assert late.post(path, {"to": place(acme, bob).pk}).status_code == 303
        assert place(acme, bob).role == "member"
        assert at(acme, alice).post(path, {"to": place(acme, bob).pk}).status_code == 302
        assert (place(acme, bob).role, place(acme, alice).role) == ("owner", "admin")

    def test_it_is_not_handed_to_strangers_nor_by_admins(self, acme, alice, dora, charlie):
        path = f"/organizations/{acme.pk}/hand-over/"
        foreign = charlie.personal_account.members.get()
        for chosen in (foreign.pk, "", "x", place(acme, alice).pk):
            assert at(acme, alice).post(path, {"to": chosen}).status_code == 422
        assert at(acme, dora).post(path, {"to": place(acme, dora).pk}).status_code == 404

    def test_deleting_it_ends_everything(self, acme, alice, bob, work):
        token = cast.make_token(bob, work).token
        application = cast.make_application(acme, "Desk of Acme", client_id="Desk01234567")
        client, path = at(acme, alice), f"/organizations/{acme.pk}/delete/"
        page = said(client.get(path))
        assert "2 members" in page
        assert "1 token" in page
        assert client.post(path, {"confirmation": "acme"}).status_code == 422
        assert client.post(path, {"confirmation": "Acme"}).url == "/organizations/"
        token.refresh_from_db()
        acme.refresh_from_db()
        assert token.revoked_at
        assert acme.deleted_at
        assert not acme.members.exists()
        assert not acme.toolkits.filter(deleted_at=None).exists()
        assert not type(application).objects.filter(pk=application.pk).exists()
        assert client.get(path).status_code == 404
        assert "Acme" not in said(client.get("/guide/"))
        with pytest.raises(ValidationError, match="is deleted"):
            acme.add_member(bob, Role.OWNER, by=cast.OPERATOR, now=timezone.now())

    def test_only_an_owner_who_has_confirmed_deletes_it(self, acme, alice, bob, dora):
        path = f"/organizations/{acme.pk}/delete/"
        for user in (bob, dora):
            assert at(acme, user).post(path, {"confirmation": "Acme"}).status_code == 404
        assert at(acme, alice, confirmed_ago=700).post(path, {"confirmation": "Acme"}).status_code == 303
        acme.refresh_from_db()
        assert acme.deleted_at is None

    def test_a_personal_account_can_be_neither_left_nor_deleted(self, alice, bob):
        own = alice.personal_account
        for act in ("", "leave/", "delete/", "hand-over/"):
            assert browser(alice).get(f"/organizations/{own.pk}/{act}").status_code == 404
        with pytest.raises(ValidationError):
            own.delete_for_good(by=cast.OPERATOR, now=timezone.now())
        with pytest.raises(ValidationError):
            own.add_member(bob, Role.ADMIN, by=cast.OPERATOR, now=timezone.now())


class TestTheSwitcher:
    def test_it_is_in_the_frame_of_every_page_and_shows_the_account_chosen(self, acme, alice, work):
        client = browser(alice)
        assert f'value="{alice.personal_account.pk}" aria-current' in said(client.get("/guide/"))
        client.post("/settings/account/", {"account": str(acme.pk)})
        assert f'value="{acme.pk}" aria-current' in said(client.get("/guide/"))

    def test_it_remembers_over_a_sign_out(self, acme, alice):
        at(acme, alice)
        assert f'value="{acme.pk}" aria-current' in said(browser(alice).get("/"))

    def test_it_forgets_an_account_that_the_person_left(self, acme, bob):
        client = at(acme, bob)
        place(acme, bob).remove(by=cast.OPERATOR, now=timezone.now())
        for each in (client, browser(bob)):
            assert "Acme" not in said(each.get("/"))
