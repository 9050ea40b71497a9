"""How long calls took, as the number of a geometric bucket: exact enough for a percentile, and easily added up."""

from bisect import bisect_right
from collections.abc import Mapping

BOUNDS = tuple(
    2.0 ** (half / 2) for half in range(33)
)  # ms, each the square root of two times the one before: 1 ms to 65 s
SLOWEST = len(BOUNDS)
UNTIMED = -1  # a stream that stays open: it lasts, it does not take long


def bucket_of(milliseconds: float) -> int:
    """Return 0 for less than a millisecond, and SLOWEST for all that is slower than the last bound."""
    return bisect_right(BOUNDS, milliseconds)


def percentile(calls: Mapping[int, int], share: float) -> float | None:
    """Return the milliseconds within which this share (0 to 1) of the calls was answered; None if none was timed."""
    timed = sorted((bucket, number) for bucket, number in calls.items() if bucket != UNTIMED and number)
    wanted = share * sum(number for _, number in timed)
    for bucket, number in timed:
        if wanted <= number:
            return _within(bucket, wanted / number)
        wanted -= number
    return _within(timed[-1][0], 1.0) if timed else None


def _within(bucket: int, share: float) -> float:
    """Return the point at this share of the bucket's width, on the logarithmic scale that the buckets have."""
    if bucket == 0:
        return BOUNDS[0] * share
    lower = BOUNDS[bucket - 1]
    return lower * 2.0 ** (share / 2)
