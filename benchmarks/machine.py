"""How busy the machine was with other things while the loops were measured.

Owns: the words for it, and what counts as busy. The benchmarks' own processes are not counted.
"""

import os

# Of all CPUs. Less than that is what a desktop does while nobody touches it.
BUSY_SHARE = 0.10


class Occupancy:
    """From its making to describe(): what others did on the machine."""

    def __init__(self):
        self._cpus = os.cpu_count() or 1
        self._load = os.getloadavg()[0]
        self._total_s, self._all_s, self._own_s = _times()

    def describe(self):
        """Return {"load": ..., "others": CPUs that others used, or None where nobody says}, which fits into JSON."""
        total_s, all_s, own_s = (now - then for now, then in zip(_times(), (self._total_s, self._all_s, self._own_s)))
        others = max(all_s - own_s, 0) / total_s * self._cpus if total_s > 0 else None
        return {"load": round(self._load, 2), "others": None if others is None else round(others, 2)}


def reason_to_call_it_busy(occupancy, cpu_count):
    """Return the words, or None if the machine was quiet or nothing is known."""
    load, others = occupancy.get("load"), occupancy.get("others")
    if others is not None and others > BUSY_SHARE * cpu_count:
        return f"other programs used {others:.1f} of {cpu_count} CPUs (load average {load:.1f} at the start)"
    # The load of the last minute is often that of the build before.
    if others is None and load is not None and load > cpu_count / 2:
        return f"the load average was {load:.1f} on {cpu_count} CPUs at the start"
    return None


def _times():
    """Return seconds: of all CPUs together, of those the busy ones, of those our own and our children's."""
    own = os.times()
    own_s = own.user + own.system + own.children_user + own.children_system
    try:
        import psutil
    except ImportError:
        return 0.0, 0.0, own_s
    cpu = psutil.cpu_times()
    waiting_s = cpu.idle + getattr(cpu, "iowait", 0.0)
    # Linux counts the guests of a virtual machine in "user", too.
    total_s = sum(cpu) - getattr(cpu, "guest", 0.0) - getattr(cpu, "guest_nice", 0.0)
    return total_s, total_s - waiting_s, own_s
