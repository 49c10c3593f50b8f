"""Connections themselves: opening and closing them, and what an idle one occupies.

A short connection is opened, has one message echoed and is closed by the client; several are under way at a time. That takes the
client as long as the server, so the rate is the client's as much as the loop's. In a burst, all clients have connected, sent a
message and half-closed before the server starts, and it is the server that closes: the rate is the server's.
An idle connection has had one message echoed before its memory is counted, so what a loop keeps for it is included.
"""

import pathlib
import resource
from contextlib import contextmanager
from dataclasses import replace

from benchmarks.process_account import resident_bytes
from benchmarks.scenario import Metric, Participant, Scenario, scaled
from benchmarks.scenarios.exchanges import exchange_scenario
from benchmarks.session import Exchange, session

MESSAGE_SIZE = 64
SHORT_CONNECTIONS = 800
AT_A_TIME = 16
BURST_CONNECTIONS = 500
# As many as may wait to be accepted, where the system does not tell.
BURST_CONNECTIONS_ELSEWHERE = 100
IDLE_CONNECTIONS = 10_000
IDLE_MESSAGE_SIZE = 1024
EARLIER_CONNECTIONS = 100
# Descriptors that a server has besides its connections.
SPARE_DESCRIPTORS = 200


def _short_scenario(family, interface):
    exchange = Exchange("echo", interface, family, "reconnect", AT_A_TIME, MESSAGE_SIZE, MESSAGE_SIZE)
    return exchange_scenario(
        f"connections_{family}_{interface}",
        f"connect, echo 64 B, close, {exchange}",
        exchange,
        SHORT_CONNECTIONS,
        unit="connections",
        has_yardstick=True,
    )


def _burst_size():
    try:
        return min(BURST_CONNECTIONS, int(pathlib.Path("/proc/sys/net/core/somaxconn").read_text()))
    except OSError:
        return BURST_CONNECTIONS_ELSEWHERE


def _burst_scenario(family):
    exchange = Exchange("echo", "protocol", family, "burst", _burst_size(), MESSAGE_SIZE, MESSAGE_SIZE)
    return exchange_scenario(
        f"burst_{family}_protocol",
        f"{exchange.connections} connections at once, echo 64 B, close, {exchange}",
        exchange,
        exchange.connections,
        unit="connections",
        has_yardstick=True,
    )


def _possible_connections(wanted):
    """As many as the hard limit of open files admits, at most as are wanted."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard - SPARE_DESCRIPTORS)


def idle_scenario(name, family, interface, connections=IDLE_CONNECTIONS, **options):
    few = Exchange("echo", interface, family, "exchange", EARLIER_CONNECTIONS, IDLE_MESSAGE_SIZE, IDLE_MESSAGE_SIZE)

    @contextmanager
    def participate(loop_definition, is_quick):
        many = replace(few, connections=scaled(_possible_connections(connections), is_quick))

        def take_turn():
            # The connections end with the session, before the next loop has as many.
            with session(loop_definition, few) as (server, connect):
                # What the first connections allocate for all that follow is not theirs.
                connect(few).run(2)
                before = resident_bytes(server.pid)
                connect(many).run(1)
                return {"memory": (resident_bytes(server.pid) - before) / many.connections}

        yield Participant(None, take_turn)

    return Scenario(
        name,
        f"memory per idle connection, {few}",
        (Metric("memory", "bytes"),),
        participate,
        max_turns=1,
        **options,
    )


def _plain_idle_scenario(family, interface):
    return idle_scenario(f"memory_per_connection_{family}_{interface}", family, interface)


SCENARIOS = (
    _short_scenario("tcp", "protocol"),
    _short_scenario("tcp", "streams"),
    _short_scenario("unix", "protocol"),
    _short_scenario("unix", "streams"),
    _burst_scenario("tcp"),
    _burst_scenario("unix"),
    _plain_idle_scenario("tcp", "protocol"),
    _plain_idle_scenario("tcp", "streams"),
    _plain_idle_scenario("unix", "protocol"),
)
