"""Scenarios of one shape: a server answers requests, each connection of the client has one under way.

Owns: their metrics (the server's CPU time a request, requests a second, the 99th percentile of the time from a request to its whole
answer) and how they come out of a session's figures.
Used by echo.py, datagrams.py, answers.py, connections.py and several_loops.py, which say what is asked and answered.
"""

from contextlib import contextmanager

from benchmarks.scenario import Direction, Metric, Participant, Scenario, scaled
from benchmarks.session import DATAGRAM_FAMILIES, session

SERVER_CPU = "server CPU"


@contextmanager
def session_participant(loop_definition, exchange, amount, figures_of):
    """Yield a Participant. amount: what the client does in a turn. figures_of(cpu_ns, client_figures): the figures of a turn."""
    with session(loop_definition, exchange) as (server, connect):
        client = connect(exchange)
        client.run(max(amount // 5, 1))
        yield Participant(server.loop_class, lambda: figures_of(*client.run(amount)))


def exchange_scenario(name, title, exchange, count, *, unit="messages", **options):
    """Make a scenario. count: requests in a turn, of all connections together. unit: what is counted."""
    metrics = (
        Metric("server_cpu", "us", SERVER_CPU),
        Metric("rate", f"{unit}/s", "throughput", Direction.HIGHER, needs_quiet=True),
        # A percentile moves by more than a mean does.
        Metric("p99", "us", "p99 latency", noise=10.0, needs_quiet=True),
    )

    def participate(loop_definition, is_quick):
        # The datagrams that are under way are no connections with a count of their own.
        parts = 1 if exchange.family in DATAGRAM_FAMILIES else exchange.connections
        each = max(scaled(count, is_quick) // parts, 1)
        total = each * parts

        def figures_of(cpu_ns, figures):
            return {
                "server_cpu": cpu_ns / total / 1000,
                "rate": total / figures["elapsed_ns"] * 1e9,
                "p99": figures["p99_ns"] / 1000,
            }

        return session_participant(loop_definition, exchange, each, figures_of)

    return Scenario(name, title, metrics, participate, **options)


def in_words(connections):
    return "1 connection" if connections == 1 else f"{connections:,} connections"
