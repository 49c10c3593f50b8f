"""Connections themselves: opening and closing them, and what an idle one occupies.

A short connection is opened, has one message echoed and is closed by the client; several are under way at a time. That takes
the client as long as the server, so the rate is the client's as much as the loop's. In a burst the connections wait already, with
their messages and their ends, when the server begins, and it is the server that closes them: the rate is the server's.
An idle connection has had one message echoed before its memory is counted, so what a loop keeps for it is there.
"""

import pathlib
import resource
from contextlib import contextmanager

from scenarios.definition import QUICK_DIVISOR, Measurement, Metric, Participant, Scenario
from scenarios.exchanges import (
    FAMILIES,
    INTERFACES,
    Exchange,
    exchange_figures,
    exchange_metrics,
    exchange_scenario,
    measure_prepared,
)
from scenarios.server_session import session

MESSAGE_SIZE = 64
SHORT_CONNECTIONS = 3_200
AT_A_TIME = 16
BURST_CONNECTIONS = 500
# As many as may wait to be accepted, where the system does not tell.
BURST_CONNECTIONS_ELSEWHERE = 100
BURSTS = 10
IDLE_CONNECTIONS = 10_000
IDLE_MESSAGE_SIZE = 1024
EARLIER_CONNECTIONS = 100
# Descriptors that a server has besides its connections.
SPARE_DESCRIPTORS = 200


def _short_scenario(family, interface, *, is_default=False):
    return exchange_scenario(
        f"connections_{family}_{interface}",
        f"connect, echo 64 B, close, {FAMILIES[family]} {INTERFACES[interface]}",
        Exchange("echo", interface, family, "reconnect", AT_A_TIME, MESSAGE_SIZE, MESSAGE_SIZE, SHORT_CONNECTIONS),
        unit="connections",
        is_default=is_default,
    )


def _burst_size():
    try:
        return min(BURST_CONNECTIONS, int(pathlib.Path("/proc/sys/net/core/somaxconn").read_text()))
    except OSError:
        return BURST_CONNECTIONS_ELSEWHERE


@contextmanager
def _prepare_burst(loop_definition, interface, family):
    count = _burst_size()
    with session(loop_definition, "echo", interface, family) as (server, connect):
        client = connect("burst", connections=count, request_size=MESSAGE_SIZE, answer_size=MESSAGE_SIZE)
        client.run_burst()
        yield Participant(server.loop_class, lambda: exchange_figures(count, *client.run_burst()))


def _measure_burst(loop_definition, interface, family, is_quick):
    return measure_prepared(_prepare_burst(loop_definition, interface, family), 1 if is_quick else BURSTS)


def _burst_scenario(family, interface, *, is_default=False):
    return Scenario(
        f"burst_{family}_{interface}",
        f"{_burst_size()} connections at once, echo 64 B, close, {FAMILIES[family]} {INTERFACES[interface]}",
        exchange_metrics("connections"),
        lambda loop_definition, is_quick: _measure_burst(loop_definition, interface, family, is_quick),
        is_default,
        has_yardstick=True,
        has_client=True,
        prepare=lambda loop_definition, is_quick: _prepare_burst(loop_definition, interface, family),
    )


def _possible_connections():
    """As many as the hard limit of open files admits, at most IDLE_CONNECTIONS."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return IDLE_CONNECTIONS if hard == resource.RLIM_INFINITY else min(IDLE_CONNECTIONS, hard - SPARE_DESCRIPTORS)


def _measure_idle(loop_definition, interface, family, is_quick):
    count = _possible_connections() // (QUICK_DIVISOR if is_quick else 1)
    sizes = {"request_size": IDLE_MESSAGE_SIZE, "answer_size": IDLE_MESSAGE_SIZE}
    with session(loop_definition, "echo", interface, family) as (server, connect):
        # What the first connections allocate for all that follow is not theirs.
        connect("exchange", connections=min(EARLIER_CONNECTIONS, count), **sizes).run(2)
        before = server.resident_bytes()
        connect("exchange", connections=count, **sizes).run(1)
        growth = server.resident_bytes() - before
    # One repetition: a second one would reuse the memory that the first gave back.
    return Measurement(server.loop_class, {"memory": [growth / count]})


def _idle_scenario(family, interface, *, is_default=False):
    return Scenario(
        f"memory_per_connection_{family}_{interface}",
        f"memory per idle connection, {FAMILIES[family]} {INTERFACES[interface]}",
        (Metric("memory", "bytes"),),
        lambda loop_definition, is_quick: _measure_idle(loop_definition, interface, family, is_quick),
        is_default,
        has_client=True,
    )


SCENARIOS = (
    _short_scenario("tcp", "protocol", is_default=True),
    _short_scenario("tcp", "streams"),
    _short_scenario("unix", "protocol"),
    _short_scenario("unix", "streams"),
    _burst_scenario("tcp", "protocol", is_default=True),
    _burst_scenario("unix", "protocol"),
    _idle_scenario("tcp", "protocol", is_default=True),
    _idle_scenario("tcp", "streams"),
    _idle_scenario("unix", "protocol"),
)
