"""Answers whose headers and body are written separately, as web servers do.

A loop may send them by one system call or by two. Where strace is installed and allowed, a scenario shows how many it makes; what
strace cannot see (io_uring) has no figure there.
"""

import re
import shutil
import tempfile
from contextlib import contextmanager

from benchmarks import Failure
from benchmarks.scenario import Metric, Participant, Scenario
from benchmarks.scenarios.exchanges import exchange_scenario, in_words
from benchmarks.session import Exchange, session

REQUEST_SIZE = 64
# Headers and body: programs/services.py.
ANSWER_SIZES = {"answer": 200 + 1024, "large_answer": 200 + 65536}
COUNTED_REQUESTS = 100
SENDING_CALLS = "sendto,sendmsg,sendmmsg,write,writev"


def _answer(interface, connections=1, service="answer"):
    return Exchange(service, interface, "tcp", "exchange", connections, REQUEST_SIZE, ANSWER_SIZES[service])


def _answer_scenario(interface, connections, service="answer"):
    exchange = _answer(interface, connections, service)
    size = ", body of 64 KiB" if service == "large_answer" else ""
    return exchange_scenario(
        f"{service}_tcp_{interface}_{connections}",
        f"answer of two writes{size}, {exchange}, {in_words(connections)}",
        exchange,
        1_000 if connections == 1 else 3_200,
        unit="requests",
        has_yardstick=True,
    )


def _sends_scenario(interface):
    exchange = _answer(interface)

    @contextmanager
    def participate(loop_definition, is_quick):
        yield Participant(None, lambda: _count_sends(loop_definition, exchange))

    return Scenario(
        f"sends_tcp_{interface}",
        f"system calls that send an answer of two writes, {exchange}",
        (Metric("sends", "calls"),),
        participate,
        has_yardstick=True,
        max_turns=1,
    )


def _count_sends(loop_definition, exchange):
    """Return {"sends": system calls that send, per request}, or {} if it cannot be known."""
    strace = shutil.which("strace")
    if strace is None:
        return {}
    with tempfile.NamedTemporaryFile("r") as log:
        # -I 2: by default it would not be ended by a signal.
        prefix = (strace, "-f", "-I", "2", "-qq", "-y", "-o", log.name, "-e", f"trace={SENDING_CALLS}", "-e", "signal=none")
        try:
            with session(loop_definition, exchange, prefix=prefix) as (server, connect):
                connect(exchange).run(COUNTED_REQUESTS)
                # strace passes the signal on to the server, and writes down what it has seen.
                server.terminate()
        except Failure:
            return {}
        # Writes to anything but a socket are the program's own: its announcement, the loop's wake-ups.
        calls = sum(bool(re.search(r"\b\w+\(\d+<(socket|TCP|UNIX)", line)) for line in log)
    return {"sends": calls / COUNTED_REQUESTS} if calls else {}


SCENARIOS = (
    _answer_scenario("protocol", 1),
    _answer_scenario("protocol", 64),
    _answer_scenario("streams", 1),
    _answer_scenario("streams", 64),
    _answer_scenario("protocol", 1, "large_answer"),
    _answer_scenario("protocol", 64, "large_answer"),
    _answer_scenario("streams", 1, "large_answer"),
    _answer_scenario("streams", 64, "large_answer"),
    _sends_scenario("protocol"),
    _sends_scenario("streams"),
)
