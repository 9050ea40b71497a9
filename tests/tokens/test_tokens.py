from datetime import timedelta

import pytest
from django.utils import timezone

from profiles.events import Action, Event
from tests import cast
from tests.cast import OPERATOR, make_token
from tokens.models import DelegatedToken


def text(answer):
    return answer.content.decode()


@pytest.fixture
def token(alice, work):
    return make_token(alice, work, "n8n").token


@pytest.fixture
def of_bob(bob, work):
    return make_token(bob, work, "CI of Bob").token


def many(alice, work, number):
    now = timezone.now().replace(microsecond=0)
    DelegatedToken.objects.bulk_create(
        DelegatedToken(
            public_id=f"{index:012}", digest=f"{index:064}", last_four=f"{index % 10000:04}", owner=alice,
            account=work.account, toolkit=work, name=f"service {index}",
            issued_at=now - timedelta(seconds=index // 3), expires_at=now + timedelta(days=5),
        )
        for index in range(number)
    )  # fmt: skip


def test_the_list_shows_a_token_without_its_secret(as_alice, token):
    page = text(as_alice.get("/tokens/"))
    assert "n8n" in page
    assert token.masked in page
    assert "Active" in page
    assert "in 6 days 23 hours" in page
    assert token.digest not in page


def test_an_owner_sees_the_tokens_of_all_and_a_member_their_own(as_alice, as_bob, as_charlie, token, of_bob):
    assert of_bob.masked in text(as_alice.get("/tokens/"))
    assert "bob@example.com" in text(as_alice.get("/tokens/"))
    bobs = text(as_bob.get("/tokens/"))
    assert of_bob.masked in bobs
    assert token.masked not in bobs
    assert token.masked not in text(as_charlie.get("/tokens/"))


@pytest.mark.parametrize("path", ["/tokens/{}/", "/tokens/{}/revoke/"])
def test_a_stranger_gets_404(as_bob, as_charlie, token, path):
    for browser in (as_bob, as_charlie):
        assert browser.get(path.format(token.public_id)).status_code == 404
        assert browser.post("/tokens/" + token.public_id + "/revoke/", {"reason": "leaked"}).status_code == 404
    token.refresh_from_db()
    assert token.revoked_at is None


@pytest.mark.parametrize("text_typed", ["n8", "{id}", "{four}", "alice@"])
def test_the_search_finds_by_name_id_last_four_and_owner(as_alice, token, of_bob, text_typed):
    typed = text_typed.format(id=token.public_id, four=token.last_four)
    page = text(as_alice.get("/tokens/", {"text": typed}))
    assert token.masked in page
    assert of_bob.masked not in page


def test_the_list_is_filtered_by_state_and_toolkit(as_alice, alice, acme, token):
    sales = cast.make_toolkit(acme, "sales")
    other = make_token(alice, sales, "crm").token
    other.revoke(by=OPERATOR, reason="leaked", now=timezone.now())
    assert other.masked not in text(as_alice.get("/tokens/", {"state": "active"}))
    assert token.masked not in text(as_alice.get("/tokens/", {"state": "revoked"}))
    only = text(as_alice.get("/tokens/", {"toolkit": sales.pk}))
    assert other.masked in only
    assert token.masked not in only


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("state=nonsense", "Choose one of: active, ending,"),
        ("toolkit=zzz", "Work."),
        ("toolkit=00000000-0000-0000-0000-000000000000", "Work."),
        ("before=nobody", "the id of a token in it"),
    ],
)
def test_a_filter_that_makes_no_sense_says_what_is_allowed(as_alice, token, query, says):
    answer = as_alice.get(f"/tokens/?{query}")
    assert answer.status_code == 422
    assert says in text(answer)
    assert "No tokens are shown" in text(answer)
    assert token.masked not in text(answer)


@pytest.mark.parametrize("name", ["state", "toolkit", "text", "before", "anything"])
def test_a_secret_typed_as_a_filter_is_refused_and_not_shown_again(as_alice, alice, work, name):
    secret = make_token(alice, work, "n8n").key.text
    answer = as_alice.get("/tokens/", {name: secret})
    assert answer.status_code == 400
    assert secret not in text(answer)


@pytest.mark.parametrize("public_id", ["nobody", "a" * 500, "..%2f", "é"])
def test_an_id_that_is_nobody_s_is_404(as_alice, public_id):
    assert as_alice.get(f"/tokens/{public_id}/").status_code == 404


@pytest.mark.parametrize("path", ["/tokens/%00/", "/tokens/?before=%00", "/tokens/?text=%00"])
def test_a_nul_character_is_refused(as_alice, path):
    assert as_alice.get(path).status_code == 400


def test_no_match_and_no_token_say_so(as_alice, token):
    assert "No token matches" in text(as_alice.get("/tokens/?text=zzzzz"))
    DelegatedToken.objects.all().delete()
    assert "No tokens yet" in text(as_alice.get("/tokens/"))


def test_pages_show_every_token_once(as_alice, alice, work):
    many(alice, work, 120)
    seen, address = [], "/tokens/"
    while address:
        answer = as_alice.get(address)
        seen += [row.token.public_id for row in answer.context["rows"]]
        address = answer.context["older"] and "/tokens/" + answer.context["older"]
    assert len(seen) == len(set(seen)) == 120


def test_the_list_asks_as_often_with_many_tokens(as_alice, alice, work, django_assert_max_num_queries):
    many(alice, work, 200)
    with django_assert_max_num_queries(11):
        assert len(as_alice.get("/tokens/").context["rows"]) == 50


def test_the_page_of_a_token_says_what_happened_to_it(as_alice, token):
    page = text(as_alice.get(f"/tokens/{token.public_id}/"))
    assert "issued a token" in page
    assert "operator (test)" in page
    assert "profile=work" in page


def test_revoking_ends_the_token_and_says_since_when(as_alice, token):
    assert "its very next call" in text(as_alice.get(f"/tokens/{token.public_id}/revoke/"))
    wish = {"reason": "leaked", "note": "In a public log"}
    answer = as_alice.post(f"/tokens/{token.public_id}/revoke/", wish, follow=True)
    token.refresh_from_db()
    assert token.revoked_at
    assert token.revoke_reason == "leaked"
    assert "is revoked since" in text(answer)
    assert "In a public log" in text(answer)
    assert Event.objects.get(action=Action.TOKEN_REVOKED).reason == "Leaked: In a public log"


def test_revoking_twice_says_that_it_had_ended(as_alice, token):
    as_alice.post(f"/tokens/{token.public_id}/revoke/", {"reason": "leaked"})
    assert "nothing left to revoke" in text(as_alice.get(f"/tokens/{token.public_id}/revoke/"))
    answer = as_alice.post(f"/tokens/{token.public_id}/revoke/", {"reason": "other"}, follow=True)
    assert "had ended already" in text(answer)
    token.refresh_from_db()
    assert token.revoke_reason == "leaked"


def test_the_owner_of_the_account_revokes_the_token_of_a_member(as_alice, of_bob):
    as_alice.post(f"/tokens/{of_bob.public_id}/revoke/", {"reason": "policy"})
    of_bob.refresh_from_db()
    assert of_bob.revoked_at


@pytest.mark.parametrize("wish", [{}, {"reason": "nonsense"}, {"reason": "leaked", "note": "x" * 301}])
def test_a_reason_is_needed(as_alice, token, wish):
    assert as_alice.post(f"/tokens/{token.public_id}/revoke/", wish).status_code == 422
    token.refresh_from_db()
    assert token.revoked_at is None


def test_looking_never_revokes(as_alice, token):
    as_alice.get(f"/tokens/{token.public_id}/revoke/", {"reason": "leaked"})
    token.refresh_from_db()
    assert token.revoked_at is None


def test_other_methods_are_refused(as_alice, token):
    assert as_alice.post("/tokens/").status_code == 405
    assert as_alice.post(f"/tokens/{token.public_id}/").status_code == 405
    assert as_alice.delete(f"/tokens/{token.public_id}/revoke/").status_code == 405


def test_hostile_names_stay_text(as_alice, alice, work):
    token = make_token(alice, work, "<img src=x onerror=alert(1)>").token
    for path in ("/tokens/", f"/tokens/{token.public_id}/", f"/tokens/{token.public_id}/revoke/"):
        assert "<img src=x" not in text(as_alice.get(path))
