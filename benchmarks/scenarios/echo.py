"""Echo: a server writes back what it receives, over TCP and Unix sockets, by each of asyncio's interfaces.

One connection shows the time of a round trip, 64 a server that is never idle. The matrix is large, so the run without arguments has a
few of its rows.
"""

from benchmarks.scenarios.exchanges import exchange_scenario, in_words
from benchmarks.session import FAMILIES, Exchange

# Size: its name, messages in a turn on one connection, on many.
SIZES = {
    64: ("64 B", 1_000, 3_200),
    1024: ("1 KB", 1_000, 3_200),
    16 * 1024: ("16 KB", 500, 1_600),
    100 * 1024: ("100 KB", 125, 320),
}
INTERFACES = ("protocol", "buffered", "streams", "sockets")
CONNECTIONS = (1, 64)


def _echo_scenario(family, interface, size, connections):
    size_name, count_on_one, count_on_many = SIZES[size]
    name = f"echo_{family}_{interface}_{size_name.replace(' ', '').lower()}_{connections}"
    exchange = Exchange("echo", interface, family, connections=connections, request_size=size, answer_size=size)
    return exchange_scenario(
        name,
        f"echo {exchange}, {size_name}, {in_words(connections)}",
        exchange,
        count_on_one if connections == 1 else count_on_many,
        has_yardstick=True,
    )


SCENARIOS = tuple(
    _echo_scenario(family, interface, size, connections)
    for family in FAMILIES
    for interface in INTERFACES
    # streams.py has those.
    if interface != "own_streams"
    for size in SIZES
    for connections in CONNECTIONS
)
