"""Bulk on one connection under flow control, sent by the server (download) or received by it (upload).

A download writes chunks of 64 KiB until the transport calls pause_writing(), and again from resume_writing() on, or awaits drain().
The client does nothing with what it receives.
"""

from benchmarks.scenario import Direction, Metric, Scenario, scaled
from benchmarks.scenarios.exchanges import SERVER_CPU, session_participant
from benchmarks.session import FAMILIES, Exchange

BYTES = 100_000_000
METRICS = (Metric("server_cpu", "s/GB", SERVER_CPU), Metric("rate", "GB/s", "throughput", Direction.HIGHER, needs_quiet=True))


def bulk_scenario(name, direction, interface, family, **options):
    exchange = Exchange(direction, interface, family, mode=direction)

    def participate(loop_definition, is_quick):
        size = scaled(BYTES, is_quick)

        def figures_of(cpu_ns, figures):
            # Nanoseconds a byte are seconds a gigabyte.
            return {"server_cpu": cpu_ns / size, "rate": size / figures["elapsed_ns"]}

        return session_participant(loop_definition, exchange, size, figures_of)

    return Scenario(name, f"{direction} in bulk, {exchange}", METRICS, participate, **options)


def _plain_scenario(direction, interface, family):
    return bulk_scenario(f"{direction}_{family}_{interface}", direction, interface, family)


SCENARIOS = tuple(
    _plain_scenario(direction, interface, family)
    for direction in ("download", "upload")
    for family in FAMILIES
    for interface in ("protocol", "streams")
)
