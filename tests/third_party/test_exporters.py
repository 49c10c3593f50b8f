"""fastloop.contrib with the real libraries: what prometheus-client writes for a scrape, and what OpenTelemetry's SDK reads."""

import asyncio
import gc
import subprocess
import sys

import pytest

import fastloop
from actors.threads import in_thread

pytestmark = pytest.mark.fastloop_only


@pytest.fixture
def scrape():
    """A function that returns what Prometheus reads: a dictionary of the values by the rest of the line."""
    prometheus_client = pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")
    from fastloop.contrib.prometheus import LoopCollector

    registry = prometheus_client.CollectorRegistry()
    collector = LoopCollector({})
    registry.register(collector)

    def scrape(loops=None):
        for name, loop in (loops or {}).items():
            collector.add(name, loop)
        lines = prometheus_client.generate_latest(registry).decode().splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}

    return scrape


@pytest.fixture
def read():
    """A function that has a loop observed and returns what a reader gets: a dictionary of the values by name and attributes."""
    export = pytest.importorskip("opentelemetry.sdk.metrics.export", reason="opentelemetry-sdk is not installed")
    from opentelemetry.sdk.metrics import MeterProvider

    from fastloop.contrib.opentelemetry import observe

    reader = export.InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader])

    def read(loop=None):
        if loop is not None:
            observe(loop, name="web", meter=provider.get_meter("test"))
        data = reader.get_metrics_data()
        metrics = [] if data is None else data.resource_metrics[0].scope_metrics[0].metrics
        return {(metric.name, *sorted(point.attributes.values())): point.value for metric in metrics for point in metric.data.data_points}

    yield read
    provider.shutdown()


async def exchange(loop, pair):
    left, right = pair
    await loop.sock_sendall(left, b"hello")
    await loop.sock_recv(right, 10)
    loop.call_later(1000, int)


def test_prometheus_reads_what_statistics_says(loop, pair, scrape):
    loop.run_until_complete(exchange(loop, pair))
    with fastloop.Runner() as runner:
        metrics = scrape({"web": loop, "other": runner.get_loop()})
    statistics = loop.statistics()
    assert metrics['fastloop_turns_total{loop="web"}'] == statistics.turns > metrics['fastloop_turns_total{loop="other"}'] == 0
    assert metrics['fastloop_bytes_total{direction="sent",loop="web"}'] == 5
    assert metrics['fastloop_timers{loop="web"}'] == 1
    assert metrics['fastloop_seconds_total{loop="web",state="busy"}'] == pytest.approx(statistics.busy_s)


def test_prometheus_counters_only_grow_and_a_loop_that_is_gone_drops_out(pair, scrape):
    loop = fastloop.new_event_loop()
    loop.run_until_complete(exchange(loop, pair))
    turns = loop.statistics(reset=True).turns
    assert scrape({"web": loop})['fastloop_turns_total{loop="web"}'] == turns > 0
    loop.close()
    del loop
    gc.collect()
    assert scrape() == {}


async def test_scrapes_from_another_thread(loop, scrape):
    scrape({"web": loop})
    with in_thread(lambda: [scrape() for _ in range(50)]):
        while not loop.statistics().turns > 1000:
            await asyncio.sleep(0)


def test_opentelemetry_reads_what_statistics_says(loop, pair, read):
    loop.run_until_complete(exchange(loop, pair))
    metrics = read(loop)
    statistics = loop.statistics(reset=True)
    assert metrics["asyncio.eventloop.turns", "web"] == statistics.turns
    assert metrics["asyncio.eventloop.io", "transmit", "web"] == metrics["asyncio.eventloop.io", "receive", "web"] == 5
    assert metrics["asyncio.eventloop.time", "active", "web"] == pytest.approx(statistics.busy_s)
    assert metrics["asyncio.eventloop.utilization", "web"] == pytest.approx(statistics.utilization, abs=0.1)
    assert metrics["asyncio.eventloop.timers", "web"] == 1
    assert read()["asyncio.eventloop.turns", "web"] == statistics.turns


def test_opentelemetry_forgets_a_loop_that_is_gone(read):
    loop = fastloop.new_event_loop()
    assert read(loop)
    loop.close()
    del loop
    gc.collect()
    assert not read()


def test_other_loops_are_refused():
    pytest.importorskip("prometheus_client")
    pytest.importorskip("opentelemetry.metrics")
    from fastloop.contrib import opentelemetry, prometheus

    for refused in (lambda: prometheus.LoopCollector({"a": None}), lambda: opentelemetry.observe(None)):
        with pytest.raises(TypeError, match="a fastloop.EventLoop was expected, got None"):
            refused()


def test_fastloop_imports_neither():
    code = "import sys, fastloop; print([name for name in sys.modules if name.split('.')[0] in ('prometheus_client', 'opentelemetry')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
