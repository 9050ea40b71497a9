from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from profiles.models import Attempts

MOST = 5


def take(now):
    try:
        return Attempts.objects.take("confirm-try:1", MOST, now=now)
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_of_sixty_attempts_at_once_five_count():
    now = timezone.now()
    with ThreadPoolExecutor(20) as threads:
        assert sum(threads.map(take, [now] * 60)) == MOST


@pytest.mark.django_db
def test_the_window_is_ten_minutes_from_the_first_attempt():
    now = timezone.now()
    for minute in range(MOST):
        assert Attempts.objects.take("x", MOST, now=now + timedelta(minutes=minute))
    assert not Attempts.objects.take("x", MOST, now=now + timedelta(minutes=9, seconds=59))
    assert Attempts.objects.take("x", MOST, now=now + timedelta(minutes=10))
    assert Attempts.objects.get(key="x").number == 1


@pytest.mark.django_db
def test_what_succeeded_is_forgotten_and_others_do_not_count():
    now = timezone.now()
    assert [Attempts.objects.take("x", 1, now=now) for _ in range(2)] == [True, False]
    assert Attempts.objects.take("y", 1, now=now)
    Attempts.objects.forget("x")
    assert Attempts.objects.take("x", 1, now=now)


def test_what_has_long_counted_for_nothing_is_swept(db):
    now = timezone.now()
    Attempts.objects.take("old", 3, now=now - timedelta(days=2))
    Attempts.objects.take("recent", 3, now=now - timedelta(hours=2))
    assert Attempts.objects.sweep(now) == 1
    assert Attempts.objects.get().key == "recent"
