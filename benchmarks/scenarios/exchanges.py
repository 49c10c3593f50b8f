"""Scenarios of one shape: a server answers requests, each connection of the client has one under way.

Owns: their metrics (the server's CPU time a request, requests a second, the 99th percentile of the time from a request
to its whole answer) and how they come out of a session's figures.
Used by echo.py, answers.py and connections.py, which say what is asked and answered.
"""

from dataclasses import dataclass

from loops import YARDSTICK_METRIC
from scenarios.definition import QUICK_DIVISOR, Measurement, Metric, Scenario
from scenarios.server_session import session

REPETITIONS = 3
FAMILIES = {"tcp": "TCP", "unix": "Unix"}
INTERFACES = {"protocol": "Protocol", "buffered": "BufferedProtocol", "streams": "streams", "sockets": "sock_*"}


@dataclass(frozen=True)
class Exchange:
    """What is asked how often. count: requests in a repetition, of all connections together."""

    service: str
    interface: str
    family: str
    mode: str
    connections: int
    request_size: int
    answer_size: int
    count: int

    @property
    def yardstick_answer_size(self):
        return 0 if self.service == "echo" else self.answer_size


def exchange_metrics(unit):
    """unit: what is counted, "messages"."""
    return (
        Metric("server_cpu", "us", YARDSTICK_METRIC),
        Metric("rate", f"{unit}/s", "throughput", pick="rate"),
        # A percentile moves by more than a mean does.
        Metric("p99", "us", "p99 latency", noise=10.0),
    )


class ExchangeSamples(dict):
    """Samples for exchange_metrics()."""

    def __init__(self):
        super().__init__(server_cpu=[], rate=[], p99=[])

    def add(self, total, cpu_ns, figures):
        """total: how many exchanges the server's CPU time and the client's figures are of."""
        self["server_cpu"].append(cpu_ns / total / 1000)
        self["rate"].append(total / figures["elapsed_ns"] * 1e9)
        self["p99"].append(figures["p99_ns"] / 1000)


def measure_exchange(loop_definition, exchange, is_quick):
    """Return a Measurement of exchange_metrics()."""
    samples = ExchangeSamples()
    each = max(exchange.count // exchange.connections // (QUICK_DIVISOR if is_quick else 1), 1)
    total = each * exchange.connections
    with session(
        loop_definition,
        exchange.service,
        exchange.interface,
        exchange.family,
        answer_size=exchange.yardstick_answer_size,
    ) as (server, connect):
        client = connect(
            exchange.mode,
            connections=exchange.connections,
            request_size=exchange.request_size,
            answer_size=exchange.answer_size,
        )
        for cpu_ns, figures in client.repeat(each, 1 if is_quick else REPETITIONS):
            samples.add(total, cpu_ns, figures)
    return Measurement(server.loop_class, samples)


def exchange_scenario(name, title, exchange, *, unit="messages", is_default=False):
    def measure(loop_definition, is_quick):
        return measure_exchange(loop_definition, exchange, is_quick)

    return Scenario(name, title, exchange_metrics(unit), measure, is_default, has_yardstick=True, has_client=True)


def in_words(connections):
    return "1 connection" if connections == 1 else f"{connections:,} connections"
