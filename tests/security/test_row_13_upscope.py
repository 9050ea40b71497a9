"""Row 13: an exchange gives what its subject is for, or less; whatever else it asks for, and however, is refused."""

import uuid

import pytest
from django.conf import settings
from django.utils import timezone

from tests import cast
from tests.tokens.oauth.exchanging import ask, make_exchanger
from tokens.models import AccessToken, DelegatedToken

pytestmark = pytest.mark.django_db(databases="__all__")
HUB = f"{settings.NEXUS_BASE_URL}/hub/mcp"


@pytest.fixture
def exchanger(acme):
    return make_exchanger(acme)


@pytest.fixture
def subject(alice, work):
    return cast.make_token(alice, work)


@pytest.fixture
def sales(acme):
    return cast.make_toolkit(acme, "sales")


def refused(answer, error) -> bool:
    assert (answer.status_code, answer.json()["error"]) == (400, error), answer.content
    assert answer.json()["error_description"].isascii()
    assert '"' not in answer.json()["error_description"]
    return not DelegatedToken.objects.filter(exchanges__gt=0).exists()


def test_nothing_named_means_the_subject_s_own_and_no_more(exchanger, subject, work, sales):
    assert ask(exchanger, subject.key.text).json()["scope"] == "mcp"
    assert DelegatedToken.objects.get(exchanges=1).toolkit == work


def test_what_the_subject_is_for_may_be_repeated_in_any_way(exchanger, subject, work, acme):
    work.change(alias="labour", by=cast.OPERATOR, now=timezone.now())
    for form in (
        {"resource": HUB}, {"resource": f"{settings.NEXUS_BASE_URL}/mcp"}, {"resource": HUB.replace("http", "HTTP", 1)},
        {"resource": f"{HUB}?accountId={acme.pk}&profile=labour"}, {"resource": [HUB, f"{HUB}?profile={work.pk}"]},
        {"audience": HUB}, {"audience": "labour"}, {"audience": "work"}, {"audience": str(work.pk).upper()},
        {"audience": [HUB, "labour", "work"]}, {"civic_profile": str(work.pk), "civic_account": str(acme.pk)},
        {"nexus_profile": "labour", "nexus_account": str(acme.pk)}, {"scope": "mcp"}, {"scope": "mcp mcp"},
        {"resource": "", "audience": "", "scope": "", "civic_profile": ""},
    ):  # fmt: skip
        assert ask(exchanger, subject.key.text, **form).status_code == 200, form
    assert set(DelegatedToken.objects.filter(exchanges=1).values_list("toolkit", flat=True)) == {work.pk}


@pytest.mark.parametrize("name", ["nexus_profile", "civic_profile", "audience", "query"])
@pytest.mark.parametrize(
    "other", ["sales", "id of sales", "of nobody", "nosuch", "WORK", " work", "work ", "*", "wörk"]
)
def test_another_toolkit_is_refused_alike_whether_it_is_there_or_not(exchanger, subject, sales, name, other):
    value = {"id of sales": str(sales.pk), "of nobody": str(uuid.uuid4())}.get(other, other)
    form = {"resource": f"{HUB}?profile={value}"} if name == "query" else {name: value}
    answer = ask(exchanger, subject.key.text, **form)
    assert refused(answer, "invalid_target")
    assert answer.json()["error_description"] == (
        "The subject token is for another toolkit or account than the request names."
    )


@pytest.mark.parametrize("name", ["nexus_account", "civic_account", "query"])
@pytest.mark.parametrize("value", ["of charlie", "of nobody", "Acme", "x"])
def test_another_account_is_refused(exchanger, subject, charlie, name, value):
    value = {"of charlie": str(charlie.personal_account.pk), "of nobody": str(uuid.uuid4())}.get(value, value)
    form = {"resource": f"{HUB}?accountId={value}"} if name == "query" else {name: value}
    assert refused(ask(exchanger, subject.key.text, **form), "invalid_target")


@pytest.mark.parametrize("name", ["resource", "audience"])
@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/hub/mcp", f"{HUB}x", f"{HUB}#x", f"{HUB}/../admin", f"{settings.NEXUS_BASE_URL}/api/v1/",
        settings.NEXUS_BASE_URL, "https://evil@localhost/hub/mcp", "http://[", "http://[::1", "urn:x:y", "//localhost/hub/mcp:",
        "http://localhost:99999/hub/mcp", "javascript:alert(1)", f"{HUB}?profile=work&profile=sales", f"{HUB}?" + "a=b&" * 200,
    ],
)  # fmt: skip
def test_an_address_that_is_not_the_hub_s_is_refused(exchanger, subject, name, address):
    assert refused(ask(exchanger, subject.key.text, **{name: address}), "invalid_target")


@pytest.mark.parametrize("name", ["resource", "audience"])
def test_of_several_targets_each_must_be_ours_and_the_same(exchanger, subject, sales, name):
    for others in ([HUB, "https://evil.example/"], ["https://evil.example/", HUB]):
        assert refused(ask(exchanger, subject.key.text, **{name: others}), "invalid_target")
    assert refused(
        ask(exchanger, subject.key.text, resource=[f"{HUB}?profile=work", f"{HUB}?profile=sales"]), "invalid_target"
    )
    assert refused(ask(exchanger, subject.key.text, audience="work", nexus_profile="sales"), "invalid_target")
    assert refused(ask(exchanger, subject.key.text, resource=[HUB] * 11), "invalid_target")


@pytest.mark.parametrize(
    "scope", ["tokens:issue", "mcp tokens:issue", "mcp admin", "*", "MCP", "mcp:*", "openid", "mcp,x", "offline_access"]
)
def test_a_wider_scope_is_refused(exchanger, subject, scope):
    assert refused(ask(exchanger, subject.key.text, scope=scope), "invalid_scope")


@pytest.mark.parametrize("granted", ["", "openid", "mcpx"])
def test_a_subject_without_the_hub_s_scope_gives_no_token_for_it(exchanger, alice, work, granted):
    _, text = cast.make_access_token(alice, work, exchanger)
    AccessToken.objects.update(scope=granted)
    for scope in ("mcp", "", "openid"):
        assert refused(ask(exchanger, text, scope=scope), "invalid_scope")
