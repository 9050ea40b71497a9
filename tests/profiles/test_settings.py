import os

import pytest
from django.core.mail import EmailMultiAlternatives, get_connection

from profiles.context import navigation


def test_name_and_time_zone_are_saved(as_alice, alice):
    assert as_alice.post("/settings/", {"name": "Alice A.", "time_zone": "Asia/Tokyo"}).url == "/settings/"
    alice.refresh_from_db()
    assert (alice.name, alice.time_zone) == ("Alice A.", "Asia/Tokyo")


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../etc/passwd"])
def test_an_unknown_time_zone_is_refused_and_the_name_kept(as_alice, alice, zone):
    answer = as_alice.post("/settings/", {"name": "Typed", "time_zone": zone})
    alice.refresh_from_db()
    assert (answer.status_code, alice.time_zone) == (422, "UTC")
    assert "Typed" in answer.content.decode()


def test_a_form_cannot_make_anybody_staff(as_alice, alice):
    as_alice.post("/settings/", {"name": "A", "time_zone": "UTC", "is_staff": "on", "email": "root@example.com"})
    alice.refresh_from_db()
    assert (alice.is_staff, alice.email) == (False, "alice@example.com")


def test_the_theme_is_kept_and_rendered(as_alice):
    as_alice.post("/settings/theme/", {"theme": "dark"})
    assert '<html lang="en" data-theme="dark">' in as_alice.get("/settings/").content.decode()
    as_alice.post("/settings/theme/", {"theme": "system"})
    assert '<html lang="en">' in as_alice.get("/settings/").content.decode()


def test_a_strange_theme_is_not_rendered(as_alice):
    as_alice.cookies["nexus_theme"] = '"><script>'
    assert "<script>" not in as_alice.get("/settings/").content.decode()
    assert as_alice.post("/settings/theme/", {"theme": "neon"}).status_code == 302


def test_an_account_of_others_cannot_be_shown(as_charlie, acme):
    assert as_charlie.post("/settings/account/", {"account": str(acme.pk)}).status_code == 404


def test_a_choice_ends_with_the_membership(as_bob, bob, acme, work):
    assert "Work" in as_bob.get("/toolkits/").content.decode()
    acme.members.filter(user=bob).delete()
    assert "Work" not in as_bob.get("/toolkits/").content.decode()


@pytest.mark.parametrize("page", ["theme/", "account/"])
def test_get_changes_nothing(as_alice, page):
    assert as_alice.get(f"/settings/{page}").status_code == 405


@pytest.fixture
def in_files(settings, tmp_path):
    settings.NEXUS_DATA_DIR = tmp_path
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path / "mail")


@pytest.mark.usefixtures("in_files")
def test_staff_read_mails_as_plain_text(staff, tmp_path):
    connections = [get_connection() for _ in range(3)]  # all at once: a file is named after its connection's id
    for subject, connection in zip(("First", "Second"), connections, strict=False):
        mail = EmailMultiAlternatives(
            subject, f"Text of {subject} <b>x</b> ✓", to=["alice@example.com"], connection=connection
        )
        mail.attach_alternative("<script>alert(1)</script>", "text/html")
        mail.send()
        for file in (tmp_path / "mail").iterdir():  # the clock of files may stand still between two mails
            os.utime(file, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns - 1_000_000))
    connection = connections[-1]
    connection.send_messages([email_of("Third"), email_of("Fourth")])
    connection.close()
    page = staff.get("/settings/mail/").content.decode()
    assert [page.index(word) for word in ("Text of Second", "Text of First")] == sorted(
        [page.index("Text of Second"), page.index("Text of First")]
    )
    assert "Text of Fourth" in page
    assert "&lt;b&gt;x&lt;/b&gt; ✓" in page
    assert "alert(1)" not in page


def email_of(subject: str) -> EmailMultiAlternatives:
    return EmailMultiAlternatives(subject, f"Text of {subject}", to=["alice@example.com"])


@pytest.mark.usefixtures("in_files")
def test_no_mails_is_not_an_error(staff):
    assert "No mails yet" in staff.get("/settings/mail/").content.decode()


def test_mails_are_for_staff(as_alice):
    assert as_alice.get("/settings/mail/").status_code == 404
    assert "/settings/mail/" not in as_alice.get("/settings/").content.decode()


def test_one_place_in_the_navigation_is_current():
    for path in ["/", "/install/", "/toolkits/new/", "/settings/", "/settings/mail/"]:
        current = [item.label for section in navigation(path, is_staff=True) for item in section.items if item.is_here]
        assert len(current) == 1, path


def test_every_component_is_shown(as_alice):
    assert as_alice.get("/guide/design/").status_code == 200
