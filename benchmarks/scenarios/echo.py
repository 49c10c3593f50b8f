"""Echo: a server writes back what it receives, over TCP and Unix sockets, by each of asyncio's interfaces.

Each connection has one message under way: its echo is awaited, the next is sent. One connection shows the time of a
round trip, 64 a server that is never idle. The matrix is large, so the run without arguments has a few of its rows.
"""

from scenarios.exchanges import FAMILIES, INTERFACES, Exchange, exchange_scenario, in_words

# Size: its name, messages in a repetition on one connection, on many.
SIZES = {
    64: ("64 B", 4_000, 12_800),
    1024: ("1 KB", 4_000, 12_800),
    16 * 1024: ("16 KB", 2_000, 6_400),
    100 * 1024: ("100 KB", 500, 1_280),
}
CONNECTIONS = (1, 64)
DEFAULT = {
    "echo_tcp_protocol_1kb_1",
    "echo_tcp_protocol_1kb_64",
    "echo_unix_protocol_1kb_64",
}


def _echo_scenario(family, interface, size, connections):
    size_name, count_on_one, count_on_many = SIZES[size]
    name = f"echo_{family}_{interface}_{size_name.replace(' ', '').lower()}_{connections}"
    return exchange_scenario(
        name,
        f"echo {FAMILIES[family]} {INTERFACES[interface]}, {size_name}, {in_words(connections)}",
        Exchange(
            service="echo",
            interface=interface,
            family=family,
            mode="exchange",
            connections=connections,
            request_size=size,
            answer_size=size,
            count=count_on_one if connections == 1 else count_on_many,
        ),
        is_default=name in DEFAULT,
    )


SCENARIOS = tuple(
    _echo_scenario(family, interface, size, connections)
    for family in FAMILIES
    for interface in INTERFACES
    for size in SIZES
    for connections in CONNECTIONS
)
