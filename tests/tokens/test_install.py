import gzip
import html
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import time_machine
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from profiles.events import Action, Event
from tests import cast
from tests.cast import PASSWORD
from tests.tokens.conftest import browser_of
from tokens import clients, keys
from tokens.clients.reach import has_public_address
from tokens.models import DelegatedToken

SECRET = re.compile(r"\bnxs_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}\b")
NOW = datetime(2027, 3, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def form(work):
    return {"toolkit": str(work.pk), "name": "n8n", "life": "7", "request_key": str(uuid4())}


def own_moment(form, local, zone="UTC", **more):
    date, _, time = local.partition(" ")
    return {**form, "life": "custom", "date": date, "time": time, "zone": zone, **more}


def text(answer):
    return answer.content.decode()


def test_install_shows_the_url_of_the_toolkit_in_the_address(as_alice, acme, work):
    cast.make_toolkit(acme, "sales")
    page = text(as_alice.get("/install/?profile=work&name=CI&days=14"))
    assert "profile=work</code>" in page
    assert 'value="CI"' in page
    assert re.search(r'value="14"[^>]*checked', page)
    assert "in 14 days" in page


@pytest.mark.django_db(databases="__all__")
def test_install_issues_a_token_and_shows_it_once(as_alice, form, alice, work):
    answer = as_alice.post("/install/", form)
    assert answer.status_code == 200
    secret = SECRET.search(text(answer))[0]
    token = DelegatedToken.objects.get()
    assert token.digest == keys.digest(secret)
    assert (token.owner, token.toolkit, token.name) == (alice, work, "n8n")
    assert token.expires_at - token.issued_at == timedelta(days=7)
    assert answer["Cache-Control"] == "no-store"
    assert answer["Referrer-Policy"] == "no-referrer"
    for address in ("/install/", "/tokens/", f"/tokens/{token.public_id}/", "/activity/", "/"):
        assert secret[20:] not in text(as_alice.get(address))
    assert all(secret[20:] not in str(session.get_decoded()) for session in Session.objects.all())
    assert all(secret[20:] not in f"{event.after}{event.subject_label}" for event in Event.objects.all())


def test_a_get_never_issues(as_alice, form):
    as_alice.get("/install/", form)
    as_alice.get("/install/moment/", form)
    assert not DelegatedToken.objects.exists()


def test_the_same_request_twice_issues_one_token(as_alice, form):
    first = as_alice.post("/install/", form)
    again = as_alice.post("/install/", form)
    token = DelegatedToken.objects.get()
    assert again.status_code == 409
    assert token.masked in text(again)
    assert not SECRET.search(text(again))
    assert SECRET.search(text(first))


def test_another_person_may_use_the_same_request_key(as_alice, as_bob, form):
    as_alice.post("/install/", form)
    assert as_bob.post("/install/", form).status_code == 200
    assert DelegatedToken.objects.count() == 2


def test_whoever_has_not_confirmed_is_asked_and_loses_nothing(stale_alice, form):
    asked = stale_alice.post("/install/", form)
    assert asked.status_code == 303
    assert asked.url.startswith("/accounts/confirm/")
    assert not DelegatedToken.objects.exists()
    stale_alice.post("/accounts/confirm/", {"password": PASSWORD, "next": "/install/"})
    page = text(stale_alice.get("/install/"))
    assert 'value="n8n"' in page
    assert form["request_key"] in page
    assert stale_alice.post("/install/", form).status_code == 200


def test_a_confirmation_older_than_ten_minutes_does_not_count(as_alice, form):
    with time_machine.travel(timezone.now() + timedelta(minutes=10, seconds=2)):
        assert as_alice.post("/install/", form).status_code == 303
    assert not DelegatedToken.objects.exists()


@pytest.mark.parametrize("life", ["30.9", "NaN", "1e9", "31", "0", "-1", ""])
def test_a_life_that_is_not_offered_is_refused_with_the_limit(as_alice, form, life):
    answer = as_alice.post("/install/", {**form, "life": life})
    assert answer.status_code == 422
    assert "at most 30 days" in text(answer)
    assert not DelegatedToken.objects.exists()


@pytest.mark.parametrize(
    ("local", "zone", "says"),
    [
        ("2027-03-19 12:00", "UTC", "has passed"),
        ("2027-04-19 12:00:01", "UTC", "at most 30 days"),
        ("9999-12-31 23:59", "Pacific/Kiritimati", "at most 30 days"),
        ("9999-12-31 23:59", "America/Los_Angeles", "at most 30 days"),
        ("0001-01-01 00:00", "Pacific/Kiritimati", "has passed"),
        ("2027-03-25 12:00", "Mars/Base", "is not a time zone"),
        ("2027-03-25 12:00", "../../etc/passwd", "is not a time zone"),
        ("2027-03-25 12:00", "", "Choose the time zone"),
        ("NaN 12:00", "UTC", "Write the date"),
        ("2027-03-25 NaN", "UTC", "Write the time"),
        ("2027-03-28 02:30", "Europe/Berlin", "nearest times are 01:59 and 03:00"),
    ],
)
def test_a_moment_that_cannot_be_is_refused_and_says_why(alice, form, local, zone, says):
    with time_machine.travel(NOW, tick=False):
        answer = browser_of(alice).post("/install/", own_moment(form, local, zone))
    assert answer.status_code == 422
    assert says in text(answer)
    assert not DelegatedToken.objects.exists()


def test_thirty_days_to_the_second_are_taken(alice, form):
    with time_machine.travel(NOW, tick=False):
        assert browser_of(alice).post("/install/", own_moment(form, "2027-04-19 12:00:00")).status_code == 200
    assert DelegatedToken.objects.get().expires_at == NOW + timedelta(days=30)


@pytest.mark.parametrize(("occurrence", "hour"), [("first", 0), ("second", 1)])
def test_an_hour_that_comes_twice_is_a_choice(alice, form, occurrence, hour):
    with time_machine.travel(datetime(2027, 10, 20, 12, 0, tzinfo=UTC), tick=False):
        browser = browser_of(alice)
        wish = own_moment(form, "2027-10-31 02:30", "Europe/Berlin")
        asked = browser.post("/install/", wish)
        assert asked.status_code == 422
        assert "Choose the first or the second" in text(asked)
        assert 'name="occurrence"' in text(asked)
        assert browser.post("/install/", {**wish, "occurrence": occurrence}).status_code == 200
    assert DelegatedToken.objects.get().expires_at == datetime(2027, 10, 31, hour, 30, tzinfo=UTC)


def test_the_moment_is_said_in_words_in_its_zone_and_in_utc(alice, form):
    with time_machine.travel(NOW, tick=False):
        answer = browser_of(alice).get("/install/moment/", own_moment(form, "2027-03-30 09:15", "Asia/Kolkata"))
    assert "Tue 30 Mar 2027, 09:15 Asia/Kolkata (UTC+5:30)" in text(answer)
    assert "03:45 UTC" in text(answer)
    assert "in 9 days 15 hours" in text(answer)


def test_without_a_script_the_form_is_shown_again_with_its_url_and_moment(as_alice, form, acme, work):
    sales = cast.make_toolkit(acme, "sales", work.servers.get(), allowed=["add"])
    page = text(as_alice.post("/install/preview/", {**form, "toolkit": str(sales.pk), "life": "1"}))
    assert "profile=sales</code>" in page
    assert "in 1 day" in page
    assert not DelegatedToken.objects.exists()


def test_an_empty_toolkit_is_refused(as_alice, form, acme):
    empty = cast.make_toolkit(acme, "empty")
    answer = as_alice.post("/install/", {**form, "toolkit": str(empty.pk)})
    assert answer.status_code == 422
    assert "allows no tool" in text(answer)
    assert not DelegatedToken.objects.exists()


def test_a_stranger_cannot_install_the_toolkit(as_charlie, form):
    answer = as_charlie.post("/install/", form)
    assert answer.status_code == 422
    assert "Work" not in text(answer)
    assert not DelegatedToken.objects.exists()


def test_a_name_in_use_is_refused_by_name(as_alice, form):
    as_alice.post("/install/", form)
    answer = as_alice.post("/install/", {**form, "request_key": str(uuid4())})
    assert answer.status_code == 422
    assert "already called" in text(answer)


@pytest.mark.parametrize("name", ["", " ", "x" * 81, "safe\u202etxt"])
def test_a_bad_name_is_refused(as_alice, form, name):
    assert as_alice.post("/install/", {**form, "name": name}).status_code == 422
    assert not DelegatedToken.objects.exists()


def test_a_hostile_name_stays_text(as_alice, form):
    page = text(as_alice.post("/install/", {**form, "name": "<script>alert(1)</script>"}))
    assert "<script>alert(1)" not in page


def test_the_secret_of_a_client_is_never_taken(as_alice, form):
    as_alice.post("/install/", {**form, "token": "aaaa", "key": "aaaa", "digest": "aaaa", "public_id": "aaaa"})
    token = DelegatedToken.objects.get()
    assert token.public_id != "aaaa"
    assert token.digest not in ("aaaa", keys.digest("aaaa"))


def test_other_methods_are_refused(as_alice):
    assert as_alice.put("/install/").status_code == 405
    assert as_alice.get("/install/preview/").status_code == 405
    assert as_alice.post("/install/moment/").status_code == 405


def test_a_form_from_elsewhere_is_refused(alice, work, form):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    assert browser.post("/install/", form).status_code == 403
    assert not DelegatedToken.objects.exists()


def test_the_page_asks_as_often_with_many_toolkits(as_alice, acme, work, django_assert_max_num_queries):
    for number in range(20):
        cast.make_toolkit(acme, f"kit-{number}")
    with django_assert_max_num_queries(12):
        as_alice.get("/install/")


def test_the_event_says_who_issued_it(as_alice, form, alice):
    as_alice.post("/install/", form)
    event = Event.objects.get(action=Action.TOKEN_ISSUED)
    assert event.actor_id == str(alice.pk)


def test_the_env_file_is_read_by_a_shell(as_alice, form, work, tmp_path):
    page = text(as_alice.post("/install/", form))
    lines = re.search(r'<code id="env">(.*?)</code>', page, re.S)[1]
    (tmp_path / ".env").write_text(html.unescape(re.sub(r"<[^>]+>", "", lines)))
    shell = subprocess.run(
        ["sh", "-c", '. ./.env && printf "%s %s" "$NEXUS_URL" "$NEXUS_TOKEN"'],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shell.stdout == f"{work.mcp_url} {SECRET.search(page)[0]}"


def test_a_link_that_names_a_living_token_fills_in_the_next_free_name(client, alice, acme, work):
    client.force_login(alice)
    client.post("/settings/account/", {"account": acme.pk})
    cast.make_token(alice, work, "n8n")
    cast.make_token(alice, work, "N8N 2")
    assert 'value="n8n 3"' in client.get("/install/?profile=work&name=n8n").content.decode()
    assert 'value="ci"' in client.get("/install/?profile=work&name=ci").content.decode()


def test_every_client_has_a_card_with_how_it_signs_in(as_alice, work):
    page = text(as_alice.get("/install/"))
    cards = re.findall(r'name="client" id="client-[\w-]+" value="([\w-]+)"', page)
    assert sorted(cards) == sorted(clients.every())
    assert page.count('name="client"') == len(cards)
    assert re.search(r"Cursor</span>.{0,200}Browser or token", page, re.S)
    assert "Needs a public address" in page


@pytest.mark.parametrize(
    ("client", "auth", "is_closed"),
    [("claude-code", "browser", False), ("n8n", "token", False), ("curl", "token", True), ("chatgpt", "browser", True)],
)
def test_the_client_decides_how_it_signs_in_first(as_alice, work, client, auth, is_closed):
    page = text(as_alice.get(f"/install/?client={client}"))
    assert re.search(rf'id="auth-{auth}" value="{auth}" checked', page)
    assert ("disabled" in page and "sub reason" in page) == is_closed
    assert ("Create token" in page) == (auth == "token")


def test_a_way_chosen_for_one_client_is_not_carried_to_the_next(as_alice, work):
    page = text(as_alice.get("/install/?client=claude-code&auth=token&of=claude-code"))
    assert "Create token" in page
    assert "Create token" not in text(as_alice.get("/install/?client=cursor&auth=token&of=claude-code"))


@pytest.mark.parametrize(
    "query", ["client=nothing", "auth=nothing", "toolkit=nothing", "days=31", "of=%00x", "client=" + "x" * 500]
)
def test_an_address_that_means_nothing_shows_the_page(as_alice, work, query):
    assert as_alice.get(f"/install/?{query}").status_code in (200, 400)


def test_the_url_of_another_toolkit_comes_by_a_get(as_alice, acme, work):
    sales = cast.make_toolkit(acme, "sales", work.servers.get(), allowed=["add"])
    page = text(as_alice.get(f"/install/?toolkit={sales.pk}&client=cursor"))
    assert "profile=sales</code>" in page
    assert "mcp%3F" not in page  # in the link it is base64
    assert 'href="cursor://anysphere.cursor-deeplink/mcp/install?name=nexus-sales&amp;config=' in page


def test_the_page_says_what_the_tools_cost_and_that_it_is_an_estimate(as_alice, work):
    page = text(as_alice.get("/install/?profile=work"))
    size = sum(len(entry.tool.definition) for entry in work.allowed_entries())
    assert (
        f"about {-(-size // 4)} tokens of a model&#x27;s context" in page or f"about {-(-size // 4)} tokens of" in page
    )
    assert "(an estimate)" in page


def test_a_server_that_fails_is_named_with_its_last_error(as_alice, work):
    work.servers.get().remember_failure("no route to host", now=timezone.now())
    page = text(as_alice.get("/install/?profile=work"))
    assert "has not answered since" in page
    assert "no route to host" in page


def test_a_toolkit_without_tools_says_so_before_anything_is_made(as_alice, acme):
    empty = cast.make_toolkit(acme, "empty")
    page = text(as_alice.get(f"/install/?toolkit={empty.pk}&client=n8n"))
    assert "This toolkit allows no tool" in page
    assert f"/toolkits/{empty.pk}/" in page
    assert "Create token" not in page


def test_clients_in_a_cloud_are_told_when_they_cannot_reach_it(as_alice, work, settings):
    assert "It cannot reach this Nexus" in text(as_alice.get("/install/?client=chatgpt"))
    settings.NEXUS_BASE_URL = "https://nexus.acme.com"
    page = text(as_alice.get("/install/?client=chatgpt"))
    assert "It cannot reach this Nexus" not in page
    assert "Needs a public address" not in page
    assert "https://nexus.acme.com/hub/mcp?" in page


@pytest.mark.parametrize(
    ("base", "is_public"),
    [("https://nexus.acme.com", True), ("http://nexus.acme.com", False), ("https://localhost", False),
     ("https://10.0.0.1", False), ("https://nexus.lan", False), ("https://8.8.8.8", True), ("https://nexus", False),
     ("https://[fd00::1]", False)],
)  # fmt: skip
def test_which_addresses_are_public(settings, base, is_public):
    settings.NEXUS_BASE_URL = base
    assert has_public_address() is is_public


@pytest.mark.parametrize(("day", "says"), [(29, "ends on 30 November 2026"), (30, "ended on 30 November 2026")])
def test_agent_builder_says_when_it_ends_and_what_comes_after_it(alice, work, day, says):
    with time_machine.travel(datetime(2026, 11, day, 12, 0, tzinfo=UTC), tick=False):
        page = text(browser_of(alice).get(f"/install/?client=openai-agent-builder&toolkit={work.pk}"))
    assert says in " ".join(page.split())
    assert "announced on 3 June 2026" in page
    assert all(f"client={slug}" in page for slug in ("openai-responses", "openai-agents", "chatgpt"))
    assert "Access token" in page


def test_the_shown_token_comes_with_the_set_up_of_its_client(as_alice, form, work):
    page = text(as_alice.post("/install/", {**form, "client": "codex"}))
    secret = SECRET.search(page)[0]
    assert "bearer_token_env_var = &quot;NEXUS_TOKEN&quot;" in page
    assert "read -rs NEXUS_TOKEN" in page
    assert not any(
        secret in address for address in re.findall(r'(?:href|action|formaction|data-[\w-]+)="([^"]*)"', page)
    )
    assert page.count(secret) == 3  # the token, its header, the .env file
    assert re.search(r"BEGIN:VEVENT", text(as_alice.get(re.search(r'href="(/tokens/\w+/calendar\.ics)"', page)[1])))


def test_a_client_that_cannot_read_the_environment_gets_a_place_for_the_token(as_alice, form):
    page = text(as_alice.post("/install/", {**form, "client": "lm-studio"}))
    assert "Bearer <span data-slot>YOUR_TOKEN</span>" in page
    assert "data-slots" in page
    assert SECRET.search(page)[0] not in re.search(r'href="(lmstudio:[^"]*)"', page)[1]


def test_the_last_client_is_remembered(as_alice, form):
    as_alice.post("/install/", {**form, "client": "n8n"})
    assert re.search(r'value="n8n" checked', text(as_alice.get("/install/")))


@pytest.mark.parametrize("client", ["../../etc", "<script>alert(1)</script>", "chatgpt", ""])
def test_a_client_that_takes_no_token_does_not_lose_one(as_alice, form, client):
    page = text(as_alice.post("/install/", {**form, "client": client}))
    assert SECRET.search(page)
    assert "<script>alert" not in page


def test_hostile_names_stay_text_in_every_set_up(as_alice, alice, acme, work, form):
    work.change(name="<img src=x>\"'`$(id)\u202e", by=cast.OPERATOR, now=timezone.now())
    for client in ("goose", "chatgpt", "n8n"):
        assert "<img src=x" not in text(as_alice.get(f"/install/?client={client}&toolkit={work.pk}"))


def test_a_stranger_finds_no_set_up_of_the_toolkit(as_charlie, work):
    page = text(as_charlie.get(f"/install/?toolkit={work.pk}&client=cursor"))
    assert str(work.pk) not in page
    assert str(work.account_id) not in page


@pytest.mark.parametrize("client", ["cursor", "n8n"])
def test_the_page_stays_light(as_alice, work, client):
    page = text(as_alice.get(f"/install/?client={client}&toolkit={work.pk}"))
    assert len(gzip.compress(page.encode())) < 20_000
    static = Path(settings.BASE_DIR) / "static"
    styles = b"".join((static / name).read_bytes() for name in set(re.findall(r"/static/(css/\w+\.css)", page)))
    scripts = b"".join(path.read_bytes() for path in (static / "js").glob("*.js"))
    assert len(gzip.compress(styles)) < 40 * 1024
    assert len(gzip.compress(scripts)) < 35 * 1024
