"""The frame of the Django admin: who gets in, what it shows of libraries' tables, and its content policy."""

import re

import pytest
from django.contrib import admin
from django.test import Client

from tests import cast
from tokens.models import Reminder

pytestmark = pytest.mark.django_db(databases="__all__")

LISTS = [f"/admin/{model._meta.app_label}/{model._meta.model_name}/" for model in admin.site._registry]


@pytest.fixture
def staff(db):
    browser = Client()
    browser.force_login(cast.make_user("Sam", is_staff=True))
    return browser


def test_whoever_is_not_signed_in_is_led_to_the_portals_own_form(client):
    first = client.get("/admin/")
    assert first.url == "/admin/login/?next=/admin/"
    assert client.get(first.url).url == "/accounts/login/?next=%2Fadmin%2F"
    assert client.post("/admin/login/", {"username": "a", "password": "b"}).url.startswith("/accounts/login/")


@pytest.mark.parametrize("path", ["/admin/", *LISTS])
def test_who_is_not_staff_is_refused(client, alice, path):
    client.force_login(alice)
    answer = client.get(path, follow=True)
    assert answer.status_code == 403


def test_staff_who_are_disabled_are_refused(staff):
    cast.User.objects.filter(is_staff=True).update(is_active=False)
    assert staff.get("/admin/").status_code == 302


@pytest.mark.parametrize("path", ["/admin/", *LISTS])
def test_staff_see_every_page_with_nothing_inline(staff, path):
    answer = staff.get(path)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert answer["Cache-Control"] == "no-store"
    assert "Nexus administration" in page
    assert 'href="/">Back to the portal' in page
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page))
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)


def test_the_pages_are_grouped_by_what_they_are_about(staff):
    grouped = {section["name"]: len(section["models"]) for section in staff.get("/admin/").context["app_list"]}
    assert sum(grouped.values()) == len(admin.site._registry)
    assert next(iter(grouped)) == "Access"


def test_only_our_own_tables_are_there():
    names = {model.__name__ for model in admin.site._registry}
    assert names == {
        "User", "Account", "Server", "Toolkit", "SignInLink", "Event", "DelegatedToken", "Reminder", "Digest", "JobRun",
        "Application", "Connection", "OAuthSession", "Call", "Authorization", "ManagementKey", "Policy", "Webhook",
        "WebhookDelivery", "Finding",
    }  # fmt: skip


@pytest.mark.parametrize(
    "path",
    ["auth/group/", "account/emailaddress/", "tokens/accesstoken/", "tokens/refreshtoken/", "tokens/grant/",
     "tokens/idtoken/", "tokens/devicegrant/"],
)  # fmt: skip
def test_tables_of_libraries_have_no_page(staff, path):
    assert staff.get(f"/admin/{path}").status_code == 404


def test_no_page_offers_a_column_with_a_digest():
    for page in admin.site._registry.values():
        shown = {*page.list_display, *(page.fields or ()), *page.search_fields, *page.get_list_filter(None)}
        if page.model is Reminder:
            shown.remove("digest")  # the mail that it went out in
        assert not {
            "digest",
            "password",
            "client_secret",
            "idempotency_key",
            "encrypted_secret",
            "encrypted_former_secret",
            "encrypted_refresh_token",
        } & {str(name).lstrip("=") for name in shown}


def test_passwords_are_changed_in_the_portal(staff):
    assert staff.get("/admin/password_change/").url == "/accounts/password/change/"


@pytest.mark.parametrize(
    ("path", "lookup"),
    [
        ("profiles/user", "password__startswith"),
        ("tokens/delegatedtoken", "digest__startswith"),
        ("tokens/delegatedtoken", "owner__password__startswith"),
        ("tokens/managementkey", "digest__gt"),
        ("tokens/application", "client_secret__startswith"),
        ("profiles/signinlink", "digest__startswith"),
        ("tokens/webhook", "encrypted_secret__startswith"),
        ("profiles/authorization", "encrypted_secret__startswith"),
    ],
)
def test_no_list_tells_how_a_secret_begins(staff, path, lookup):
    """A list that can be filtered by a column tells it, a character at a time."""
    assert staff.get(f"/admin/{path}/", {lookup: "a"}).status_code == 400


def test_lists_are_filtered_by_what_they_offer(staff):
    for path, query in (
        ("profiles/user", "is_active__exact=1"),
        ("profiles/account", "personal_of__isempty=0"),
        ("tokens/application", "client_type__exact=public"),
        ("tokens/connection", "revoked_at__isempty=1"),
        ("activity/call", "outcome__exact=ok"),
        ("profiles/event", "action__exact=token.issued"),
    ):
        assert staff.get(f"/admin/{path}/?{query}").status_code == 200, path


@pytest.mark.parametrize("chosen", ["abc", "9" * 30, "", "\0", "-"])
@pytest.mark.parametrize("path", ["tokens/delegatedtoken", "tokens/managementkey", "profiles/user", "profiles/account"])
def test_what_is_no_row_of_the_list_is_refused(staff, path, chosen):
    for more in ({}, {"confirmed": "1"}):
        form = {"action": "revoke", "_selected_action": chosen, "reason": "other", **more}
        answer = staff.post(f"/admin/{path}/", form, follow=True)
        assert (answer.status_code, answer.redirect_chain) == (200, [(f"/admin/{path}/", 302)])
        assert "Nothing was done: choose rows of this list." in answer.content.decode()


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("profiles/account", "Nach Person"),
        ("profiles/toolkit", "Nach Standard-Toolkit"),
        ("profiles/user", "Nach Maschine"),
        ("tokens/webhook", "Nach eingeschaltet"),
        ("tokens/jobrun", "Ergebnis"),
        ("activity/finding", "Befunde"),
    ],
)
def test_lists_and_their_filters_have_german_names(staff, path, says):
    page = " ".join(staff.get(f"/admin/{path}/", headers={"accept-language": "de"}).content.decode().split())
    assert says in page
    assert not re.search(r"Nach (is|personal) ", page)
