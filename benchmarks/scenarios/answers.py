"""Answers whose headers and body are written separately, as web servers do.

A loop may send them by one system call or by two. Where strace is installed and allowed, a second server shows how many
calls it makes; what strace cannot see (io_uring) has no figure there.
"""

import re
import shutil
import tempfile

from scenarios.definition import Failure, Metric, Scenario
from scenarios.exchanges import FAMILIES, INTERFACES, Exchange, exchange_metrics, in_turns, in_words, measure_exchange
from scenarios.server_session import session

REQUEST_SIZE = 64
# 200 bytes of headers and a body of 1 KB: programs/services.py.
ANSWER_SIZE = 200 + 1024
COUNTED_REQUESTS = 100
SENDING_CALLS = "sendto,sendmsg,sendmmsg,write,writev"


def _count_sends(loop_definition, exchange):
    """Return the number of system calls that send, per request; None if it cannot be known."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    with tempfile.NamedTemporaryFile("r") as log:
        # -I 2: by default it would not be ended by a signal.
        prefix = (strace, "-f", "-I", "2", "-qq", "-y", "-o", log.name, "-e", f"trace={SENDING_CALLS}", "-e", "signal=none")
        try:
            with session(
                loop_definition,
                exchange.service,
                exchange.interface,
                exchange.family,
                prefix=prefix,
                answer_size=exchange.yardstick_answer_size,
            ) as (server, connect):
                client = connect("exchange", request_size=REQUEST_SIZE, answer_size=ANSWER_SIZE)
                client.run(COUNTED_REQUESTS)
                # strace passes the signal on to the server; killed, it would leave it running.
                server.terminate()
        except Failure:
            return None
        # Writes to anything but a socket are the program's own: its announcement, the loop's wake-ups.
        calls = sum(bool(re.search(r"\b\w+\(\d+<(socket|TCP|UNIX)", line)) for line in log)
    return calls / COUNTED_REQUESTS or None


def _answer_scenario(family, interface, connections, *, is_default=False):
    exchange = Exchange("answer", interface, family, "exchange", connections, REQUEST_SIZE, ANSWER_SIZE,
                        count=4_000 if connections == 1 else 12_800)  # fmt: skip

    def measure(loop_definition, is_quick):
        measurement = measure_exchange(loop_definition, exchange, is_quick)
        sends = _count_sends(loop_definition, exchange)
        if sends is not None:
            measurement.samples["sends"] = [sends]
        return measurement

    return Scenario(
        f"answer_{family}_{interface}_{connections}",
        f"answer of two writes, {FAMILIES[family]} {INTERFACES[interface]}, {in_words(connections)}",
        (*exchange_metrics("requests"), Metric("sends", "calls", "system calls that send")),
        measure,
        is_default,
        has_yardstick=True,
        has_client=True,
        prepare=in_turns(exchange),
    )


SCENARIOS = (
    _answer_scenario("tcp", "protocol", 1),
    _answer_scenario("tcp", "protocol", 64, is_default=True),
    _answer_scenario("tcp", "streams", 1),
    _answer_scenario("tcp", "streams", 64),
)
