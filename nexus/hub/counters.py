"""What this process counts on the hot path: plain numbers, read when /metrics is scraped."""

from bisect import bisect_left
from collections import Counter

# Upper bounds in seconds of the latency histogram.
BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)


class Counters:
    def __init__(self) -> None:
        self.answers: Counter[tuple[int, str]] = Counter()  # by HTTP status and outcome
        self.refusals: Counter[str] = Counter()  # by reason
        self.latency = [0] * (len(BOUNDS) + 1)
        self.latency_sum = 0.0
        self.refusals_only_counted = 0
        self.calls_not_recorded = 0

    def answered(self, status: int, outcome: str, seconds: float) -> None:
        self.answers[status, outcome] += 1
        self.latency[bisect_left(BOUNDS, seconds)] += 1
        self.latency_sum += seconds


counters = Counters()
