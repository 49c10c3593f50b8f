"""Datagrams over UDP: an echo with many under way, and a flood in one direction.

Nothing is lost: as many are under way as the receive buffer of a socket has room for. The server in C receives until nothing is left,
before it asks the kernel again.
"""

from benchmarks.scenarios.exchanges import exchange_scenario
from benchmarks.session import Exchange

# Of 1 KB, in the receive buffer that Linux gives a socket by default.
UNDER_WAY = 64


def _datagram_scenario(name, title, service, mode, size, under_way, answer_size):
    exchange = Exchange(service, "datagrams", "udp", mode=mode, connections=under_way, request_size=size, answer_size=answer_size)
    return exchange_scenario(name, title, exchange, 6_400, unit="datagrams", has_yardstick=True)


SCENARIOS = tuple(
    _datagram_scenario(
        f"udp_echo_{name}_{under_way}",
        f"echo UDP, {title}, {under_way} under way",
        "echo",
        "exchange",
        size,
        under_way,
        size,
    )
    for size, name, title in ((64, "64b", "64 B"), (1024, "1kb", "1 KB"))
    for under_way in (1, UNDER_WAY)
) + (_datagram_scenario("udp_flood_1kb", "flood UDP, 1 KB, received", "flood", "flood", 1024, UNDER_WAY, 1),)
