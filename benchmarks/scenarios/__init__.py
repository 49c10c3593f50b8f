"""Every scenario that the benchmarks know, in the order of the table.

Owns: the list. A new scenario is written in the file of its subject, which lists it in SCENARIOS.
Importing this package imports asyncio and no other loop.
"""

import importlib

_SUBJECTS = (
    *("tasks", "futures", "callbacks", "timers", "synchronization", "threads", "names", "several_loops", "busy_loop"),
    *("echo", "streams", "datagrams", "answers", "connections", "bulk", "tls", "pipes", "subprocesses", "startup", "memory"),
)
_MODULES = [importlib.import_module(f"benchmarks.scenarios.{subject}") for subject in _SUBJECTS]
SCENARIOS = {scenario.name: scenario for module in _MODULES for scenario in module.SCENARIOS}
DEFAULT_SCENARIOS = [name for name, scenario in SCENARIOS.items() if scenario.is_default]
