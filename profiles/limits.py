from datetime import timedelta

from django.core.cache import cache

WINDOW = timedelta(minutes=10)


def count(key: str) -> int:
    """Count one more attempt under this key, and return how many there were in the last ten minutes or so."""
    cache.add(key, 0, timeout=WINDOW.total_seconds())
    try:
        return cache.incr(key)
    except ValueError:  # it ended between the two lines
        return 1


def forget(key: str) -> None:
    cache.delete(key)
