"""Row 9: no way leads to a token of more than 30 days; a bad expiry is an error that names the limit."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from tests import cast
from tests.security.pages import browser, install
from tokens import keys
from tokens.models import DelegatedToken

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
MONTH = timedelta(days=30)


@pytest.mark.parametrize("over", [timedelta(seconds=1), timedelta(days=1), timedelta(days=3000)])
def test_the_manager_refuses_more_than_30_days(alice, work, over):
    with pytest.raises(ValidationError, match="at most 30 days"):
        cast.make_token(alice, work, life=MONTH + over)
    assert not DelegatedToken.objects.exists()


@pytest.mark.parametrize("life", [timedelta(0), timedelta(seconds=-1), timedelta(days=-400), timedelta(seconds=59)])
def test_the_manager_refuses_a_moment_that_has_passed(alice, work, life):
    with pytest.raises(ValidationError, match="passed"):
        cast.make_token(alice, work, life=life)


def test_thirty_days_to_the_second_are_allowed(alice, work):
    assert cast.make_token(alice, work, life=MONTH).token.pk


def test_the_database_refuses_what_goes_around_the_manager(alice, work):
    token = cast.make_token(alice, work, life=MONTH).token
    for changes in (
        {"expires_at": token.expires_at + timedelta(seconds=1)},
        {"issued_at": token.issued_at - timedelta(seconds=1)},
        {"expires_at": token.issued_at},
        {"retires_at": token.expires_at + timedelta(seconds=1)},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            DelegatedToken.objects.filter(pk=token.pk).update(**changes)
    token.pk, token.public_id, token.digest, token.name = None, "x" * 12, "0" * 64, "raw"
    token.expires_at += timedelta(seconds=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        DelegatedToken.objects.bulk_create([token])
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE tokens_delegatedtoken SET expires_at = %s", [timezone.now() + timedelta(days=31)])


@pytest.mark.parametrize("days", ["31", "-1", "0", "1000000000", "30.9", "NaN", "inf", "", "1e1", "٣", "0x1e", "30 "])
def test_the_command_refuses_and_names_the_limit(alice, work, days):
    with pytest.raises(CommandError, match="30"):
        call_command("issue_token", alice.email, "work", "--name", "x", "--days", days)
    assert not DelegatedToken.objects.exists()


WRONG_FIELDS = [
    {"life": "31"}, {"life": "-1"}, {"life": "0"}, {"life": "1000000000"}, {"life": "30.9"}, {"life": "NaN"}, {"life": ""},
    {"life": "custom"},
    {"life": "custom", "date": "9999-12-31", "time": "23:59", "zone": "UTC"},
    {"life": "custom", "date": "0001-01-01", "time": "00:00", "zone": "Pacific/Kiritimati"},
    {"life": "custom", "date": "2020-01-01", "time": "00:00", "zone": "UTC"},
    {"life": "custom", "date": "30.9", "time": "00:00", "zone": "UTC"},
    {"life": "custom", "date": "2026-13-45", "time": "25:61", "zone": "UTC"},
    {"life": "custom", "date": "2026-12-01", "time": "12:00", "zone": ""},
    {"life": "custom", "date": "2026-12-01", "time": "12:00", "zone": "Mars/Olympus"},
    {"life": "custom", "date": "2026-12-01", "time": "12:00", "zone": "../../etc/passwd"},
]  # fmt: skip


@pytest.mark.parametrize("fields", WRONG_FIELDS, ids=str)
def test_the_page_shows_the_form_again_with_an_error(alice, work, fields):
    answer = install(browser(alice), work, **fields)
    assert answer.status_code == 422
    assert not DelegatedToken.objects.exists()
    page = answer.content.decode()
    assert "n8n" in page  # what was typed is still there
    assert not keys.ANYWHERE.search(page)


def custom(at, zone="UTC"):
    return {"life": "custom", "date": f"{at:%Y-%m-%d}", "time": f"{at:%H:%M}", "zone": zone}


def test_the_page_names_the_limit_for_a_moment_beyond_it(alice, work):
    at = timezone.now() + MONTH + timedelta(minutes=2)
    answer = install(browser(alice), work, **custom(at))
    assert "30 days" in answer.content.decode()
    assert not DelegatedToken.objects.exists()


def test_a_zone_far_in_the_east_does_not_lengthen_a_life(alice, work, time_machine):
    time_machine.move_to("2026-11-24T12:00:00Z", tick=False)
    east = {"life": "custom", "date": "2026-12-25", "time": "02:01", "zone": "Pacific/Kiritimati"}
    install(browser(alice), work, **east)
    assert not DelegatedToken.objects.exists()
    install(browser(alice), work, **(east | {"time": "02:00"}))
    assert DelegatedToken.objects.get().expires_at == timezone.now() + MONTH


def test_a_time_that_the_clocks_skip_is_an_error_and_a_doubled_one_a_choice(alice, work, time_machine):
    time_machine.move_to("2027-03-20T12:00:00Z", tick=False)
    gap = {"life": "custom", "date": "2027-03-28", "time": "02:30", "zone": "Europe/Berlin"}
    assert "does not exist" in install(browser(alice), work, **gap).content.decode()
    time_machine.move_to("2027-10-20T12:00:00Z", tick=False)
    doubled = {"life": "custom", "date": "2027-10-31", "time": "02:30", "zone": "Europe/Berlin"}
    assert "comes twice" in install(browser(alice), work, **doubled).content.decode()
    assert not DelegatedToken.objects.exists()
    install(browser(alice), work, **doubled, occurrence="second")
    assert f"{DelegatedToken.objects.get().expires_at:%d %H:%M}" == "31 01:30"
