"""An archived toolkit: its tokens are refused at once, nothing new is made for it, and restored all goes on."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from profiles.events import Event
from profiles.models import Toolkit
from profiles.permissions import Role
from tests import cast, rest
from tests.security.pages import browser
from tokens import keys
from tokens.lookup import Refusal, token_with
from tokens.models import Authority, DelegatedToken

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]


@pytest.fixture
def issued(bob, work):
    return cast.make_token(bob, work)


def archive(toolkit):
    assert toolkit.archive(by=cast.OPERATOR, now=timezone.now())


def refusal_of(text, kind=keys.Kind.DELEGATED):
    return token_with(keys.digest(text), kind)[1].refusal(timezone.now().timestamp())


def said(answer):
    return answer.content.decode()


def test_its_tokens_are_refused_from_the_moment_on_and_work_again_when_it_is_restored(issued, work):
    before = Authority.objects.get().epoch
    archive(work)
    assert Authority.objects.get().epoch == before + 1
    assert refusal_of(issued.key.text) is Refusal.TOOLKIT_ARCHIVED
    assert not Refusal.TOOLKIT_ARCHIVED.is_final
    assert work.restore(by=cast.OPERATOR, now=timezone.now())
    assert refusal_of(issued.key.text) is None
    assert Authority.objects.get().epoch == before + 2


def test_each_is_one_event_and_twice_is_none(work):
    archive(work)
    assert not work.archive(by=cast.OPERATOR, now=timezone.now())
    assert work.restore(by=cast.OPERATOR, now=timezone.now())
    assert not work.restore(by=cast.OPERATOR, now=timezone.now())
    actions = Event.objects.filter(subject_id=str(work.pk), action__in=["toolkit.archived", "toolkit.restored"])
    assert list(actions.order_by("at", "id").values_list("action", flat=True)) == [
        "toolkit.archived",
        "toolkit.restored",
    ]


def test_what_was_paused_when_it_was_archived_is_paused_when_it_is_restored(issued, work):
    work.pause(by=cast.OPERATOR, now=timezone.now())
    archive(work)
    work.restore(by=cast.OPERATOR, now=timezone.now())
    assert refusal_of(issued.key.text) is Refusal.TOOLKIT_PAUSED


def test_what_ended_meanwhile_stays_ended(bob, work):
    issued = cast.make_token(bob, work, life=timedelta(hours=1), now=timezone.now() - timedelta(minutes=59, seconds=59))
    archive(work)
    work.restore(by=cast.OPERATOR, now=timezone.now())
    _, known = token_with(keys.digest(issued.key.text), keys.Kind.DELEGATED)
    assert known.refusal(issued.token.expires_at.timestamp()) is Refusal.EXPIRED


def test_the_default_toolkit_stays_whoever_asks(acme):
    default = acme.toolkits.get(is_default=True)
    assert not default.archive(by=cast.OPERATOR, now=timezone.now())
    with pytest.raises(IntegrityError), transaction.atomic():
        Toolkit.objects.filter(pk=default.pk).update(archived_at=timezone.now())


def test_no_token_is_made_or_replaced_for_it_and_the_reason_is_said(alice, bob, acme, issued, work):
    archive(work)
    for act in (
        lambda: cast.make_token(bob, work, "new"),
        lambda: issued.token.replace(by=cast.OPERATOR, now=timezone.now()),
    ):
        with pytest.raises(ValidationError, match=r"is archived\. An admin of its account can restore it"):
            act()
    answer = rest.person(bob, acme)("post", "tokens", {"profile": "work", "name": "x", "expires_in": 3600})
    assert answer.status_code == 400
    assert DelegatedToken.objects.count() == 1


def test_an_application_keeps_its_sign_in_and_gets_no_new_one(alice, work):
    claude = cast.make_application()
    access, _ = cast.make_access_token(alice, work, claude)
    archive(work)
    connection = claude.connections.get()
    assert connection.refusal() is None
    assert not Toolkit.objects.usable_by(alice).filter(pk=work.pk).exists()
    work.restore(by=cast.OPERATOR, now=timezone.now())
    assert Toolkit.objects.usable_by(alice).filter(pk=work.pk).exists()


def test_the_page_says_what_stops_before_it_asks(as_alice, alice, bob, issued, work):
    cast.make_token(alice, work, "second")
    DelegatedToken.objects.touch({issued.token.pk: timezone.now() - timedelta(minutes=5)})
    page = said(as_alice.get(f"/toolkits/{work.pk}/archive/"))
    assert "2 tokens stop working." in page
    assert "last used 5\xa0minutes ago" in page
    assert Toolkit.objects.get(pk=work.pk).archived_at is None
    page = said(as_alice.post(f"/toolkits/{work.pk}/archive/", follow=True))
    assert "is archived: every call from now on is refused" in page
    assert "This toolkit is archived" in page
    assert "/archive/" not in page
    assert work.install_path not in page


def test_a_toolkit_without_tokens_says_so_and_one_that_is_archived_is_left_alone(as_alice, acme, work):
    path = f"/toolkits/{work.pk}/archive/"
    assert "nothing stops" in said(as_alice.get(path))
    as_alice.post(path)
    at = Toolkit.objects.get(pk=work.pk).archived_at
    assert "archived already" in said(as_alice.get(path))
    assert "was archived already" in said(as_alice.post(path, follow=True))
    assert Toolkit.objects.get(pk=work.pk).archived_at == at
    default = acme.toolkits.get(is_default=True)
    assert "default toolkit" in said(as_alice.get(f"/toolkits/{default.pk}/archive/"))
    assert "It stays" in said(as_alice.post(f"/toolkits/{default.pk}/archive/", follow=True))


def test_restoring_needs_a_fresh_confirmation(as_alice, stale_alice, work):
    archive(work)
    path = f"/toolkits/{work.pk}/restore/"
    assert "/accounts/confirm/" in stale_alice.post(path)["Location"]
    assert as_alice.get(path).status_code == 405
    assert "is back" in said(as_alice.post(path, follow=True))
    assert "is not archived" in said(as_alice.post(path, follow=True))


def test_members_and_strangers_cannot(as_bob, as_charlie, work):
    for other in (as_bob, as_charlie):
        assert other.get(f"/toolkits/{work.pk}/archive/").status_code == 404
        for act in ("archive", "restore"):
            assert other.post(f"/toolkits/{work.pk}/{act}/").status_code == 404
    assert Toolkit.objects.get(pk=work.pk).archived_at is None


def test_it_leaves_the_list_and_is_found_under_archived(as_alice, as_bob, work, django_assert_num_queries):
    assert "?state=archived" not in said(as_alice.get("/toolkits/"))
    archive(work)
    page, put_away = said(as_alice.get("/toolkits/")), said(as_alice.get("/toolkits/?state=archived"))
    assert f"/toolkits/{work.pk}/" not in page
    assert f"/toolkits/{work.pk}/restore/" in put_away
    assert f"/toolkits/{work.pk}/restore/" not in said(as_bob.get("/toolkits/?state=archived"))
    with django_assert_num_queries(6):
        as_alice.get("/toolkits/?state=archived")
    work.restore(by=cast.OPERATOR, now=timezone.now())
    assert "Nothing is archived" in said(as_alice.get("/toolkits/?state=archived"))


def test_no_page_offers_it_and_those_of_its_tokens_say_why(as_bob, as_alice, issued, work):
    archive(work)
    assert str(work.pk) not in said(as_bob.get("/install/"))
    assert "is archived" in said(as_bob.get(work.install_path))
    assert "Its toolkit is archived" in said(as_bob.get(f"/tokens/{issued.token.public_id}/"))
    assert issued.token.name in said(as_bob.get("/tokens/"))
    for path in ("/members/invite/", "/settings/policies/", "/tokens/applications/register/"):
        assert f'value="{work.pk}"' not in said(as_alice.get(path)), path


def test_an_assignment_of_it_is_kept_when_others_are_chosen(as_alice, acme, bob, work):
    member = acme.members.get(user=bob)
    member.change_role(Role.END_USER, by=cast.OPERATOR, now=timezone.now())
    sales = cast.make_toolkit(acme, "sales")
    member.assign([work], by=cast.OPERATOR, now=timezone.now())
    archive(work)
    page = said(as_alice.get(f"/members/{member.pk}/"))
    assert "Work (archived)" in page
    as_alice.post(f"/members/{member.pk}/toolkits/", {"toolkits": [str(work.pk), str(sales.pk)]})
    assert set(member.assigned_toolkits.all()) == {work, sales}


def test_rest_archives_lists_and_restores(alice, acme, work):
    ask, stale = rest.person(alice, acme), rest.person(alice, acme, confirmed_ago=3600)
    assert stale("post", f"profiles/{work.pk}/archive").json()["archived_at"]
    assert [row["alias"] for row in ask.rows("profiles?archived=true")] == ["work"]
    for filters in ("", "?archived=false"):
        assert "work" not in [row["alias"] for row in ask.rows(f"profiles{filters}")]
    assert ask("get", f"profiles/{work.pk}").json()["archived_at"]
    assert stale("post", f"profiles/{work.pk}/restore").json()["code"] == "needs_person"
    assert ask("post", f"profiles/{work.pk}/restore").json()["archived_at"] is None
    default = acme.toolkits.get(is_default=True)
    assert ask("post", f"profiles/{default.pk}/archive").status_code == 409


def test_staff_archive_and_restore_in_the_admin(acme, issued, work):
    staff, path = browser(cast.make_user("Sam", is_staff=True, is_superuser=True)), "/admin/profiles/toolkit/"
    chosen = {"_selected_action": [str(work.pk)]}
    assert "1 token stops working." in said(staff.post(path, {"action": "archive", **chosen}))
    staff.post(path, {"action": "archive", "confirmed": "1", **chosen})
    assert Toolkit.objects.get(pk=work.pk).archived_at
    assert "Archived" in said(staff.get(f"{path}?archived_at__isempty=0"))
    staff.post(path, {"action": "restore", **chosen})
    assert Toolkit.objects.get(pk=work.pk).archived_at is None
    assert Event.objects.filter(action="toolkit.restored", actor_label="sam@example.com").count() == 1
