"""Bulk: 1 GB on one connection under flow control, sent by the server (download) and received by it (upload).

A download writes chunks of 64 KiB until the transport calls pause_writing() and goes on at resume_writing(), or awaits
drain(). The client does nothing with what it receives.
"""

from scenarios.definition import QUICK_DIVISOR, Measurement, Metric, Scenario
from scenarios.exchanges import FAMILIES, INTERFACES
from scenarios.server_session import session

REPETITIONS = 2
BYTES = 1_000_000_000


def _measure(loop_definition, direction, interface, family, is_quick):
    size = BYTES // QUICK_DIVISOR if is_quick else BYTES
    samples = {"server_cpu": [], "rate": []}
    with session(loop_definition, direction, interface, family) as (server, connect):
        for cpu_ns, figures in connect(direction).repeat(size, 1 if is_quick else REPETITIONS):
            # Nanoseconds a byte are seconds a gigabyte.
            samples["server_cpu"].append(cpu_ns / size)
            samples["rate"].append(size / figures["elapsed_ns"])
    return Measurement(server.loop_class, samples)


def _bulk_scenario(direction, interface, family, *, is_default=False):
    return Scenario(
        f"{direction}_{family}_{interface}",
        f"{direction} of 1 GB, {FAMILIES[family]} {INTERFACES[interface]}",
        (Metric("server_cpu", "s/GB", "server CPU"), Metric("rate", "GB/s", "throughput", pick="rate")),
        lambda loop_definition, is_quick: _measure(loop_definition, direction, interface, family, is_quick),
        is_default,
        has_client=True,
    )


SCENARIOS = tuple(
    _bulk_scenario(direction, interface, family, is_default=(direction, interface, family) == ("download", "protocol", "tcp"))
    for direction in ("download", "upload")
    for family in FAMILIES
    for interface in ("protocol", "streams")
)
