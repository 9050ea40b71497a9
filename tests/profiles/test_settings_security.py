import re
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core import mail
from django.core.management import call_command
from django.utils import timezone

from profiles import factors, sessions
from profiles.events import Action, Event
from tests.cast import PASSWORD
from tests.factors import options_in, shown_by, with_app, with_passkey
from tests.passkeys import Passkey
from tests.security.pages import browser

APP, NEW_PASSKEY = "/settings/security/app/", "/settings/security/passkeys/new/"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def at_home(alice):
    """Alice's browser, in which she has just signed in."""
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    return browser(alice)


def acts_of(user) -> list[str]:
    return list(Event.objects.filter(subject_id=str(user.pk)).order_by("at").values_list("action", flat=True))


def key_on(page: str) -> str:
    return re.search(r'id="app-key"[^>]*><code>([A-Z2-7 ]+)<', page)[1].replace(" ", "")


def codes_on(page: str) -> list[str]:
    return re.search(r'id="recovery-codes"[^>]*><code>([\d \n]+)<', page)[1].split("\n")


def test_an_app_is_turned_on_by_its_first_code_and_recovery_codes_are_shown_once(
    at_home, alice, django_capture_on_commit_callbacks
):
    page = at_home.get(APP).content.decode()
    secret = key_on(page)
    assert secret == key_on(at_home.get(APP).content.decode()), "looking again changes nothing"
    assert "data:image/svg+xml;base64," in page
    with django_capture_on_commit_callbacks(execute=True):
        answer = at_home.post(APP, {"code": f" {shown_by(secret)[:3]} {shown_by(secret)[3:]}"})
    codes = codes_on(answer.content.decode())
    assert len(set(codes)) == 10
    assert answer["Cache-Control"] == "no-store"
    assert codes[0] not in at_home.get("/settings/security/").content.decode()
    assert [act for act in acts_of(alice) if "factor" in act or "recovery" in act] == [
        Action.FACTOR_ADDED,
        Action.RECOVERY_CODES_MADE,
    ]
    assert "An authenticator app was added" in mail.outbox[-1].subject
    stored = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in stored
    assert codes[0].replace(" ", "") not in stored


def test_a_wrong_first_code_keeps_the_key_and_turns_nothing_on(at_home, alice):
    secret = key_on(at_home.get(APP).content.decode())
    answer = at_home.post(APP, {"code": "abc"})
    assert answer.status_code == 422
    assert key_on(answer.content.decode()) == secret
    assert not factors.has_second(alice)


def test_the_key_of_an_app_lies_encrypted_in_the_session(at_home):
    secret = key_on(at_home.get(APP).content.decode())
    assert secret not in str(dict(at_home.session))


def test_an_app_cannot_be_set_up_twice(at_home, alice):
    with_app(alice)
    at_home.get("/settings/security/")
    assert at_home.get(APP).status_code == 303, "a second factor has to be shown first"


def test_signing_in_asks_for_the_second_factor_and_takes_a_code_once(client, at_home, alice):
    secret, _ = with_app(alice)
    answer = client.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    assert answer.url == "/accounts/2fa/authenticate/"
    assert "One more step" in client.get(answer.url).content.decode()
    assert not client.session.get("_auth_user_id")
    code = shown_by(secret)
    client.post(answer.url, {"code": code})
    assert client.session["_auth_user_id"] == str(alice.pk)
    again = browser()
    again.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    assert "was used already" in again.post(answer.url, {"code": code}).content.decode()
    assert not again.session.get("_auth_user_id")


def test_a_recovery_code_signs_in_once_and_the_person_is_told(
    client, at_home, alice, django_capture_on_commit_callbacks
):
    _, codes = with_app(alice)
    client.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    with django_capture_on_commit_callbacks(execute=True):
        client.post("/accounts/2fa/authenticate/", {"code": f"{codes[0][:5]} {codes[0][5:]}"})
    assert client.session["_auth_user_id"] == str(alice.pk)
    assert "9 are left" in mail.outbox[-1].subject
    assert Event.objects.get(action=Action.RECOVERY_CODE_USED).after == {"left": 9}
    assert factors.use_code(alice, codes[0], by=None, now=timezone.now()) is None


@pytest.mark.parametrize("code", ["", " ", "abcdef", "١٢٣٤٥٦", "1" * 21, "12345", "\x00"])
def test_no_odd_code_opens_anything(client, at_home, alice, code):
    with_app(alice)
    client.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    assert client.post("/accounts/2fa/authenticate/", {"code": code}).status_code in (200, 400)
    assert not client.session.get("_auth_user_id")


def test_a_code_of_a_clock_that_is_off_by_a_step_is_taken_and_an_older_one_is_not(alice):
    secret, _ = with_app(alice)
    now = timezone.now() + timedelta(minutes=5)
    for later, taken in [(2, False), (1, True), (0, False), (-2, False)]:
        code = shown_by(secret, now, later=later)
        assert bool(factors.use_code(alice, code, by=None, now=now)) is taken, later


def test_a_passkey_is_added_and_signs_in_by_itself(client, at_home, alice):
    passkey = with_passkey(at_home)
    page = at_home.get("/settings/security/").content.decode()
    assert "Laptop" in page
    asked = client.get("/accounts/2fa/webauthn/login/", headers={"accept": "application/json"}).json()
    answer = client.post(
        "/accounts/2fa/webauthn/login/",
        {"credential": passkey.use(asked["request_options"]), "next": "/settings/security/"},
    )
    assert answer.url == "/settings/security/"
    assert client.session["_auth_user_id"] == str(alice.pk)
    assert Event.objects.filter(action=Action.SIGNED_IN).latest("at").after == {"method": "webauthn"}


def test_a_passkey_is_a_second_factor_after_the_password(client, at_home, alice):
    passkey = with_passkey(at_home)
    client.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    page = client.get("/accounts/2fa/authenticate/").content.decode()
    client.post("/accounts/2fa/authenticate/", {"credential": passkey.use(options_in(page))})
    assert client.session["_auth_user_id"] == str(alice.pk)


@pytest.mark.parametrize(
    "credential",
    ["", "null", "[]", "{}", "1", "{", '{"id": 1}', '{"rawId": "x", "response": {}}', '"' + "x" * 30_000 + '"'],
)
def test_what_is_no_passkey_is_refused_on_every_page(client, at_home, credential):
    at_home.get(NEW_PASSKEY)
    assert at_home.post(NEW_PASSKEY, {"name": "x", "credential": credential}).status_code == 422
    assert at_home.post("/accounts/confirm/passkey/", {"credential": credential}).status_code == 422
    client.get("/accounts/2fa/webauthn/login/", headers={"accept": "application/json"})
    assert client.post("/accounts/2fa/webauthn/login/", {"credential": credential}).url == "/accounts/login/"


@pytest.mark.parametrize(
    "forged",
    [{"origin": "https://evil.example"}, {"host": "evil.example"}, {"is_verified": False}],
)
def test_a_passkey_of_another_site_or_without_its_owner_is_not_taken(at_home, alice, forged):
    options = options_in(at_home.get(NEW_PASSKEY).content.decode())
    answer = at_home.post(NEW_PASSKEY, {"credential": Passkey(**forged).make(options)})
    assert answer.status_code == 422
    assert not factors.has_second(alice)


def test_a_passkey_is_renamed_and_removed_and_what_was_shown_before_counts_no_more(at_home, alice):
    with_passkey(at_home)
    page = f"/settings/security/passkeys/{Authenticator.objects.get(type='webauthn').pk}/"
    assert at_home.post(page, {"name": "a\u202eb"}).status_code == 422
    at_home.post(page, {"name": "Blue key"})
    assert "Blue key" in at_home.get(f"{page}remove/").content.decode()
    assert at_home.post(f"{page}remove/").url == "/settings/security/everything/"
    assert not Authenticator.objects.exists(), "recovery codes go with the last factor"
    assert at_home.get(APP).status_code == 303
    assert [act for act in acts_of(alice) if "factor" in act] == [
        Action.FACTOR_ADDED, Action.FACTOR_CHANGED, Action.FACTOR_REMOVED,
    ]  # fmt: skip


def test_new_recovery_codes_end_the_old_ones(at_home, alice):
    assert at_home.get("/settings/security/codes/").url == "/settings/security/"
    with_passkey(at_home)
    old = factors.of(alice).codes.wrap().get_unused_codes()
    new = codes_on(at_home.post("/settings/security/codes/").content.decode())
    assert len(new) == 10
    assert factors.use_code(alice, old[0], by=None, now=timezone.now()) is None


def test_factors_of_others_are_not_there(as_charlie, charlie, at_home):
    with_passkey(at_home)
    pk = Authenticator.objects.get(type="webauthn").pk
    stranger = browser(charlie)
    for page in (f"passkeys/{pk}/", f"passkeys/{pk}/remove/", "app/remove/"):
        assert stranger.get(f"/settings/security/{page}").status_code == 404
        assert stranger.post(f"/settings/security/{page}", {"name": "x"}).status_code == 404
    assert Authenticator.objects.filter(pk=pk).exists()


@pytest.mark.parametrize("page", ["", "totp/activate/", "recovery-codes/", "recovery-codes/download/", "webauthn/add/"])
def test_allauths_own_pages_lead_to_ours(at_home, page):
    assert at_home.get(f"/accounts/2fa/{page}").url == "/settings/security/"
    assert at_home.post(f"/accounts/2fa/{page}").status_code == 405
    assert at_home.post("/accounts/sessions/").status_code == 405


def signed_in(user, **headers):
    """Return a browser in which the person signs in with the password."""
    client = browser(headers=headers)
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert client.session["_auth_user_id"] == str(user.pk)
    return client


def test_sessions_are_named_and_ended_one_by_one_and_together(at_home, alice):
    here, phone, work = signed_in(alice), signed_in(alice, **{"user-agent": FIREFOX}), signed_in(alice)
    page = here.get("/settings/security/").content.decode()
    assert page.count("This browser") == 1
    assert "Firefox on Windows" in page
    found = sessions.UserSession.objects.get(user_agent=FIREFOX).pk
    assert here.post(f"/settings/security/sessions/{found}/end/").url == "/settings/security/"
    assert phone.get("/settings/").status_code == 302
    assert work.get("/settings/").status_code == 200
    here.post("/settings/security/sessions/end/")
    assert work.get("/settings/").status_code == 302
    assert here.get("/settings/").status_code == 200
    assert Event.objects.filter(action=Action.SESSIONS_ENDED).count() == 2


def test_a_session_of_others_cannot_be_ended(at_home, alice, as_charlie):
    mine = signed_in(alice)
    pk = sessions.UserSession.objects.get(user=alice).pk
    assert as_charlie.post(f"/settings/security/sessions/{pk}/end/").status_code == 404
    assert as_charlie.get(f"/settings/security/sessions/{pk}/end/").status_code == 405
    assert mine.get("/settings/").status_code == 200


def test_a_session_stays_listed_under_its_new_key_and_shows_when_it_was_last_seen(at_home, alice):
    here = signed_in(alice)
    here.post("/accounts/confirm/", {"password": PASSWORD})
    later = timezone.now() + timedelta(minutes=6)
    with time_machine.travel(later, tick=False):
        assert here.get("/settings/security/").content.decode().count("This browser") == 1
    assert sessions.UserSession.objects.get(user=alice).last_seen_at == later
    here.post("/accounts/logout/")
    assert not sessions.UserSession.objects.exists()


def test_a_new_password_ends_the_other_sessions_and_is_told(at_home, alice, django_capture_on_commit_callbacks):
    here, other = signed_in(alice), signed_in(alice)
    new = "another long pass phrase"
    with django_capture_on_commit_callbacks(execute=True):
        here.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert other.get("/settings/").status_code == 302
    page = here.get("/settings/security/").content.decode()
    assert page.count("This browser") == 1
    assert "Sign out everywhere else" not in page
    assert Event.objects.filter(action=Action.PASSWORD_CHANGED).count() == 1
    assert "password of your account was changed" in mail.outbox[-1].subject


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/141.0 Safari/537.36 Edg/141.0", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/141.0 Mobile Safari/537.36", "Chrome on Android"),
        ("", "Another program"),
        ("<script>", "Another program"),
    ],
)
def test_browsers_are_said_in_plain_words(agent, words):
    assert sessions.device_of(agent) == words


def test_keys_rotate_under_second_factors_too(alice, settings):
    secret, codes = with_app(alice)
    old = settings.NEXUS_FIELD_KEYS
    settings.NEXUS_FIELD_KEYS = ["a newer key of fifty random characters, or so it is", *old]
    call_command("rotate_field_keys", stdout=StringIO())
    settings.NEXUS_FIELD_KEYS = settings.NEXUS_FIELD_KEYS[:1]
    now = timezone.now()
    assert factors.use_code(alice, shown_by(secret, now), by=None, now=now)
    assert factors.of(alice).codes_left == len(codes)


def test_an_operator_lets_somebody_in_who_has_lost_everything(client, at_home, alice):
    with_app(alice)
    out, told = StringIO(), StringIO()
    call_command("sign_in_link", alice.email, "--without-factors", stdout=out, stderr=told)
    assert "1 second factor" in told.getvalue()
    client.post("/" + out.getvalue().strip().split("/", 3)[3])
    assert client.session["_auth_user_id"] == str(alice.pk)
    assert Event.objects.get(action=Action.FACTOR_REMOVED).actor_kind == "operator"
