"""The hub's counters in the form that Prometheus reads, put together at the scrape and not before."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from nexus.hub.counters import BOUNDS, Counters, counters

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class HubCollector(Collector):
    def __init__(self, source: Counters) -> None:
        self.source = source

    def collect(self) -> Iterator[Metric]:
        yield self._answers()
        yield self._latency()
        refusals = CounterMetricFamily("nexus_hub_refusals", "Refused requests, by reason.", labels=["reason"])
        for reason, number in list(self.source.refusals.items()):
            refusals.add_metric([reason], number)
        yield refusals
        yield CounterMetricFamily(
            "nexus_hub_refusals_only_counted",
            "Refused requests that got no row in Activity: their token had its rows of the minute.",
            self.source.refusals_only_counted,
        )
        yield CounterMetricFamily(
            "nexus_hub_calls_not_recorded",
            "Answered calls that could not be written to Activity (best-effort only).",
            self.source.calls_not_recorded,
        )

    def _answers(self) -> Metric:
        answers = CounterMetricFamily(
            "nexus_hub_answers", "Answers of the hub, by HTTP status and outcome.", labels=["status", "outcome"]
        )
        for (status, outcome), number in list(self.source.answers.items()):
            answers.add_metric([str(status), outcome], number)
        return answers

    def _latency(self) -> Metric:
        total, buckets = 0, []
        for bound, number in zip([*map(str, BOUNDS), "+Inf"], list(self.source.latency), strict=True):
            total += number
            buckets.append((bound, float(total)))
        latency = HistogramMetricFamily(
            "nexus_hub_seconds", "Seconds from the request's headers to the answer, the server's time in it."
        )
        latency.add_metric([], buckets, self.source.latency_sum)
        return latency


def make_registry(source: Counters) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=True)
    registry.register(HubCollector(source))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


REGISTRY = make_registry(counters)


def exposition() -> bytes:
    return generate_latest(REGISTRY)
