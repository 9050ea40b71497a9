"""Policies: the tighter rule wins, a change is shown before it is saved, and no living token is changed by one."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.utils import timezone

from profiles.events import Action, Event
from tests import cast
from tests.tokens.conftest import browser_of
from tokens.models import DelegatedToken, Policy
from tokens.models.touched import Touched

DAY = timedelta(days=1)
ACCOUNT = "/settings/policies/account/"


@pytest.fixture
def form(work):
    return {"toolkit": str(work.pk), "name": "n8n", "life": "7", "request_key": str(uuid4())}


def text(answer):
    return re.sub(r"\s+", " ", answer.content.decode())


def save(browser, path=ACCOUNT, **values):
    """Press twice, as a person does."""
    shown = re.search(r'name="shown" value="([^"]*)"', text(browser.post(path, values)))[1]
    return browser.post(path, {**values, "shown": shown})


def test_nothing_is_saved_before_it_was_shown(as_alice, acme, work):
    page = text(as_alice.post(ACCOUNT, {"max_life_days": "5"}))
    assert "Nothing is saved yet" in page
    assert "No living token is touched" in page
    assert not Policy.objects.exists()
    assert save(as_alice, max_life_days="5").status_code == 302
    policy = Policy.objects.get()
    assert (policy.account, policy.toolkit, policy.max_life_days) == (acme, None, 5)


def test_other_values_than_those_shown_are_shown_first(as_alice):
    shown = re.search(r'name="shown" value="([^"]*)"', text(as_alice.post(ACCOUNT, {"max_life_days": "5"})))[1]
    assert "Nothing is saved yet" in text(as_alice.post(ACCOUNT, {"max_life_days": "4", "shown": shown}))
    assert not Policy.objects.exists()


def test_the_event_says_what_was_and_what_is(as_alice, alice, acme):
    save(as_alice, max_life_days="5", max_tokens="3")
    save(as_alice, max_life_days="6", ends_reused_families="on")
    event = Event.objects.filter(action=Action.POLICY_CHANGED).first()
    assert (event.actor_id, event.account_id) == (str(alice.pk), acme.pk)
    none = {"pause_unused_days": None}
    assert event.before == {"max_life_days": 5, "max_tokens": 3, "ends_reused_families": False, **none}
    assert event.after == {"max_life_days": 6, "max_tokens": None, "ends_reused_families": True, **none}
    save(as_alice, max_life_days="6", ends_reused_families="on")
    assert Event.objects.filter(action=Action.POLICY_CHANGED).count() == 2  # nothing changed, nothing written


def test_it_says_how_many_living_tokens_it_touches_and_changes_none(as_alice, alice, bob, acme, work):
    now = timezone.now()
    for number in range(4):
        cast.make_token(alice, work, f"a{number}", life=10 * DAY)
    cast.make_token(alice, work, "short", life=2 * DAY)
    cast.make_token(bob, work, "bob", life=2 * DAY)
    cast.make_token(bob, work, "old", life=29 * DAY, now=now - 20 * DAY)
    cast.make_token(bob, work, "gone", life=20 * DAY).token.revoke(by=cast.OPERATOR, reason="other", now=now)
    other = cast.make_toolkit(alice.personal_account, "home", work.servers.get(), allowed=["echo"])
    cast.make_token(alice, other, life=10 * DAY)
    before = list(DelegatedToken.objects.order_by("pk").values_list("expires_at", "stage", "paused_at"))
    page = text(as_alice.post(ACCOUNT, {"max_life_days": "5", "max_tokens": "3", "pause_unused_days": "14"}))
    assert "5 were given more life" in page
    assert "2 are more than 1 person may have" in page
    assert "1 is unused for so long" in page
    save(as_alice, max_life_days="5", max_tokens="3", pause_unused_days="14")
    assert list(DelegatedToken.objects.order_by("pk").values_list("expires_at", "stage", "paused_at")) == before


def test_a_policy_of_a_toolkit_counts_its_own_tokens_only(as_alice, alice, acme, work):
    sales = cast.make_toolkit(acme, "sales", work.servers.get(), allowed=["echo"])
    cast.make_token(alice, work, "one", life=10 * DAY)
    cast.make_token(alice, sales, "two", life=10 * DAY)
    assert "1 was given more life" in text(as_alice.post(f"/settings/policies/{sales.pk}/", {"max_life_days": "5"}))
    touched = Touched.by(Policy(account=acme, toolkit=sales, max_life_days=5), timezone.now())
    assert (touched.too_long, touched.too_many, touched.soon_paused) == (1, 0, 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_life_days", "31"), ("max_life_days", "0"), ("max_life_days", "-1"), ("max_life_days", "1e9"), ("max_life_days", "NaN"),
        ("max_life_days", "9" * 30), ("max_tokens", "0"), ("max_tokens", "100001"), ("max_tokens", "two"), ("pause_unused_days", "13"),
        ("pause_unused_days", "31"),
    ],
)  # fmt: skip
def test_what_no_policy_may_say_is_refused(as_alice, field, value):
    answer = as_alice.post(ACCOUNT, {field: value})
    assert answer.status_code == 422
    assert "Write a whole number from" in text(answer)
    assert not Policy.objects.exists()


def test_only_owners_and_admins_of_the_account_see_and_change_it(as_bob, as_charlie, client, acme, work):
    of_toolkit = f"/settings/policies/{work.pk}/"
    for path in ("/settings/policies/", ACCOUNT, of_toolkit):
        assert as_bob.get(path).status_code == 404, path  # a member
        assert client.get(path).status_code == 302, path
    for values in ({"max_life_days": "5"}, {"max_life_days": "5", "shown": "5-None-None-False"}):
        assert as_bob.post(ACCOUNT, values).status_code == 404
        assert as_charlie.post(of_toolkit, values).status_code == 404
    assert "Acme" not in text(as_charlie.get("/settings/policies/"))
    assert not Policy.objects.exists()
    assert "/settings/policies/" not in text(as_bob.get("/settings/"))


def test_the_list_says_what_holds(as_alice, acme, work):
    Policy.objects.create(account=acme, max_life_days=14, max_tokens=3)
    Policy.objects.create(account=acme, toolkit=work, max_life_days=7, ends_reused_families=True)
    page = text(as_alice.get("/settings/policies/"))
    assert "At most 14 days · at most 3 living for each person" in page
    assert "At most 7 days · ended when what it replaced is used" in page
    assert '<td data-label="Longest life">7 days</td>' in page
    assert "/settings/policies/" in text(as_alice.get("/settings/"))


def test_the_list_asks_as_often_with_many_toolkits(as_alice, acme, django_assert_max_num_queries):
    for number in range(10):
        toolkit = cast.make_toolkit(acme, f"kit-{number}")
        Policy.objects.create(account=acme, toolkit=toolkit, max_life_days=7)
    with django_assert_max_num_queries(9):
        as_alice.get("/settings/policies/")


def test_the_wrong_method_and_a_missing_toolkit(as_alice):
    assert as_alice.put(ACCOUNT).status_code == 405
    assert as_alice.post("/settings/policies/").status_code == 405
    assert as_alice.get(f"/settings/policies/{uuid4()}/").status_code == 404


def test_install_offers_no_life_that_the_policy_rules_out_and_says_why(as_alice, form, acme, work):
    Policy.objects.create(account=acme, toolkit=work, max_life_days=5)
    page = text(as_alice.get("/install/?profile=work&client=curl"))
    inputs = dict(re.findall(r'<input type="radio" name="life" value="(\w+)"([^>]*)>', page))
    off = {life for life, attributes in inputs.items() if "disabled" in attributes}
    assert off == {"7", "14", "30"}
    assert "checked" in inputs["1"]
    assert "lives at most 5 days. Longer choices are off" in page
    answer = as_alice.post("/install/", form)
    assert answer.status_code == 422
    assert "A token in this toolkit lives at most 5 days" in text(answer)
    assert as_alice.post("/install/", {**form, "life": "1"}).status_code == 200


def test_a_moment_of_ones_own_keeps_to_the_policy(as_alice, form, acme):
    Policy.objects.create(account=acme, max_life_days=5)
    at = timezone.now() + 6 * DAY
    own = {**form, "life": "custom", "date": f"{at:%Y-%m-%d}", "time": f"{at:%H:%M}", "zone": "UTC"}
    answer = as_alice.post("/install/", own)
    assert answer.status_code == 422
    assert "lives at most 5 days" in text(answer)


def test_the_command_keeps_to_the_policy(alice, acme, work):
    Policy.objects.create(account=acme, max_life_days=5, max_tokens=1)
    with pytest.raises(CommandError, match="at most 5 days"):
        call_command("issue_token", alice.email, "work", name="ci", days="6", account="Acme")
    call_command("issue_token", alice.email, "work", name="ci", days="5", account="Acme")
    with pytest.raises(CommandError, match="as many as its policy allows"):
        call_command("issue_token", alice.email, "work", name="ci 2", days="5", account="Acme")


def test_what_replaces_a_long_token_is_as_long_as_the_policy_allows(as_alice, alice, acme, work):
    token = cast.make_token(alice, work, life=20 * DAY).token
    Policy.objects.create(account=acme, max_life_days=5)
    page = text(as_alice.get(f"/tokens/{token.public_id}/replace/"))
    assert "As long as the policy allows: 5 days" in page
    new = token.replace(by=cast.OPERATOR, now=timezone.now()).token
    assert new.expires_at - new.issued_at == 5 * DAY


def test_one_token_too_many_is_refused_until_one_has_ended(as_alice, alice, bob, acme, work, form):
    Policy.objects.create(account=acme, max_tokens=2)
    first = cast.make_token(alice, work, "one").token
    cast.make_token(alice, work, "two")
    answer = as_alice.post("/install/", form)
    assert answer.status_code == 422
    assert "has 2 living tokens in the account “Acme”" in text(answer)
    cast.make_token(bob, work, "bob's")  # each person for themselves
    first.replace(by=cast.OPERATOR, now=timezone.now())  # a successor is no other token
    with pytest.raises(ValidationError):
        cast.make_token(alice, work, "three")
    first.revoke(by=cast.OPERATOR, reason="other", now=timezone.now())
    assert as_alice.post("/install/", form).status_code == 200


def test_expired_tokens_do_not_count_before_the_sweep_has_come(alice, acme, work):
    Policy.objects.create(account=acme, max_tokens=1)
    cast.make_token(alice, work, "old", life=DAY, now=timezone.now() - 2 * DAY)
    assert cast.make_token(alice, work, "new").token.pk


def test_a_toolkit_s_number_is_of_its_own_tokens(alice, acme, work):
    sales = cast.make_toolkit(acme, "sales", work.servers.get(), allowed=["echo"])
    Policy.objects.create(account=acme, toolkit=sales, max_tokens=1)
    for number in range(3):
        cast.make_token(alice, work, f"work {number}")
    cast.make_token(alice, sales, "sales")
    with pytest.raises(ValidationError, match="in the toolkit “Sales”"):
        cast.make_token(alice, sales, "sales 2")


def test_an_account_with_no_number_pays_one_query(alice, work, django_assert_num_queries):
    with django_assert_num_queries(1):
        Policy.objects.concerning(work).refuse_too_many(DelegatedToken.objects.current(timezone.now()), alice)


def test_an_admin_of_the_account_may(acme):
    admin = cast.make_user("Dora")
    acme.members.create(user=admin, role="admin")
    assert save(browser_of(admin, acme), max_tokens="9").status_code == 302
    assert Policy.objects.get().max_tokens == 9
