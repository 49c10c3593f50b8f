"""Streams: the ways to read a request of 1 KB, or of 10 KB in short lines, by asyncio's stream classes and by the loop's own.

A package that has a start_server() of its own is measured with it, under "own streams". Every other loop runs asyncio's there too.
"""

from benchmarks.scenarios.exchanges import exchange_scenario, in_words
from benchmarks.session import FAMILIES, Exchange

CONNECTIONS = 64
MESSAGES = 3_200
# Reading: the service, the size of a request, the size of its lines.
READINGS = {
    "read": ("echo", 1024, 0),
    "readexactly": ("echo_exactly", 1024, 0),
    # Many lines in a segment.
    "readline": ("echo_lines", 10_000, 100),
}


def _stream_scenario(family, interface, reading):
    service, size, line_size = READINGS[reading]
    exchange = Exchange(service, interface, family, connections=CONNECTIONS, request_size=size, answer_size=size, line_size=line_size)
    what = f"10 KB in lines of {line_size} B" if line_size else "1 KB"
    return exchange_scenario(
        f"stream_{reading}_{family}_{interface}",
        f"{reading}(), {exchange}, {what}, {in_words(CONNECTIONS)}",
        exchange,
        MESSAGES,
        has_yardstick=True,
    )


SCENARIOS = tuple(
    _stream_scenario(family, interface, reading) for family in FAMILIES for reading in READINGS for interface in ("streams", "own_streams")
)
