"""TLS 1.3: echo, handshakes, bulk, and what an idle connection occupies.

The server's certificate is made for the run. A handshake is measured with what makes a connection of it: the client connects, has one
message echoed and says goodbye. A resumed one has a session ticket of an earlier connection.
The yardstick is a C server on the same OpenSSL.
"""

from benchmarks.openssl import KEYS
from benchmarks.scenarios.bulk import bulk_scenario
from benchmarks.scenarios.connections import AT_A_TIME, MESSAGE_SIZE, idle_scenario
from benchmarks.scenarios.exchanges import exchange_scenario, in_words
from benchmarks.session import TLS, Exchange

INTERFACES = ("protocol", "buffered", "streams", "own_streams")
# Size: its name, messages in a turn on one connection, on many; how many.
SIZES = {1024: ("1 KB", 1_000, 3_200, 64), 16 * 1024: ("16 KB", 500, 1_280, 64), 100 * 1024: ("100 KB", 125, 320, 16)}
# Title, mode of the client, connections in a turn.
HANDSHAKES = {"full": ("reconnect", 160), "resumed": ("resume", 320)}
IDLE_CONNECTIONS = 1_000


def _echo_scenario(interface, size, connections, count):
    size_name = SIZES[size][0]
    name = f"tls_echo_{interface}_{size_name.replace(' ', '').lower()}_{connections}"
    exchange = Exchange("echo", interface, TLS, connections=connections, request_size=size, answer_size=size)
    title = f"echo {exchange}, {size_name}, {in_words(connections)}"
    return exchange_scenario(name, title, exchange, count, has_yardstick=True, is_tls=True)


def _handshake_scenario(kind, key):
    mode, count = HANDSHAKES[kind]
    exchange = Exchange("echo", "protocol", TLS, mode, AT_A_TIME, MESSAGE_SIZE, MESSAGE_SIZE, key=key)
    return exchange_scenario(
        f"tls_handshake_{kind}_{key}",
        f"connect, {kind} handshake, echo 64 B, close, {exchange}, {KEYS[key][0]}",
        exchange,
        count,
        unit="handshakes",
        has_yardstick=True,
        is_tls=True,
    )


SCENARIOS = (
    *(
        _echo_scenario(interface, size, connections, count)
        for interface in INTERFACES
        for size, (_, count_on_one, count_on_many, many) in SIZES.items()
        for connections, count in ((1, count_on_one), (many, count_on_many))
    ),
    *(_handshake_scenario(kind, key) for kind in HANDSHAKES for key in KEYS),
    *(
        bulk_scenario(f"tls_{direction}_{interface}", direction, interface, TLS, is_tls=True)
        for direction in ("download", "upload")
        for interface in ("protocol", "streams", "own_streams")
    ),
    *(
        idle_scenario(
            *(f"tls_memory_per_connection_{interface}", TLS, interface, IDLE_CONNECTIONS),
            has_yardstick=True,
            is_tls=True,
        )
        for interface in INTERFACES
    ),
)
