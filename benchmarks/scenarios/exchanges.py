"""Scenarios of one shape: a server answers requests, each connection of the client has one under way.

They can also be measured in turns: a turn is a quarter of a repetition.

Owns: their metrics (the server's CPU time a request, requests a second, the 99th percentile of the time from a request
to its whole answer) and how they come out of a session's figures.
Used by echo.py, answers.py and connections.py, which say what is asked and answered.
"""

from contextlib import contextmanager
from dataclasses import dataclass

from loops import YARDSTICK_METRIC
from scenarios.definition import QUICK_DIVISOR, Measurement, Metric, Participant, Scenario
from scenarios.server_session import session

REPETITIONS = 3
TURNS_IN_A_REPETITION = 4
FAMILIES = {"tcp": "TCP", "unix": "Unix"}
INTERFACES = {"protocol": "Protocol", "buffered": "BufferedProtocol", "streams": "streams", "sockets": "sock_*"}


@dataclass(frozen=True)
class Exchange:
    """What is asked how often. count: requests in a repetition, of all connections together. loop_count: loops that answer."""

    service: str
    interface: str
    family: str
    mode: str
    connections: int
    request_size: int
    answer_size: int
    count: int
    loop_count: int = 1

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


def exchange_figures(total, cpu_ns, figures):
    """Return {metric name: figure} for exchange_metrics(). total: how many exchanges the two figures are of."""
    return {
        "server_cpu": cpu_ns / total / 1000,
        "rate": total / figures["elapsed_ns"] * 1e9,
        "p99": figures["p99_ns"] / 1000,
    }


def measure_prepared(prepared, repetitions):
    """Return a Measurement of as many turns. prepared: what a scenario's prepare() returns."""
    with prepared as participant:
        turns = [participant.take_turn() for _ in range(repetitions)]
    return Measurement(participant.loop_class, {name: [figures[name] for figures in turns] for name in turns[0]})


@contextmanager
def prepare_exchange(loop_definition, exchange, count):
    """Yield a Participant whose turn is count requests, of all connections together; warmed up."""
    each = max(count // exchange.connections, 1)
    with session(
        loop_definition,
        exchange.service,
        exchange.interface,
        exchange.family,
        answer_size=exchange.yardstick_answer_size,
        loop_count=exchange.loop_count,
    ) as (server, connect):
        client = connect(
            exchange.mode,
            connections=exchange.connections,
            request_size=exchange.request_size,
            answer_size=exchange.answer_size,
        )
        client.warm_up(each)
        yield Participant(server.loop_class, lambda: exchange_figures(each * exchange.connections, *client.run(each)))


def in_turns(exchange):
    """Return the scenario's prepare()."""

    def prepare(loop_definition, is_quick):
        return prepare_exchange(loop_definition, exchange, exchange.count // (QUICK_DIVISOR if is_quick else TURNS_IN_A_REPETITION))

    return prepare


def measure_exchange(loop_definition, exchange, is_quick):
    """Return a Measurement of exchange_metrics()."""
    count = exchange.count // (QUICK_DIVISOR if is_quick else 1)
    return measure_prepared(prepare_exchange(loop_definition, exchange, count), 1 if is_quick else REPETITIONS)


def exchange_scenario(name, title, exchange, *, unit="messages", is_default=False, has_yardstick=True):
    def measure(loop_definition, is_quick):
        return measure_exchange(loop_definition, exchange, is_quick)

    return Scenario(
        name,
        title,
        exchange_metrics(unit),
        measure,
        is_default,
        has_yardstick=has_yardstick,
        has_client=True,
        prepare=in_turns(exchange),
    )


def in_words(connections):
    return "1 connection" if connections == 1 else f"{connections:,} connections"
