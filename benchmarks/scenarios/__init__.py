"""Every scenario that the benchmarks know, in the order of the table.

Owns: the list. A new scenario is written in the file of its subject, which lists it in SCENARIOS.
Importing this package imports asyncio and no other loop.
"""

from scenarios import (
    answers,
    bulk,
    busy_loop,
    callbacks,
    connections,
    echo,
    futures,
    memory,
    several_loops,
    startup,
    synchronization,
    tasks,
    threads,
    timers,
)

_SUBJECTS = (
    tasks,
    futures,
    callbacks,
    timers,
    synchronization,
    threads,
    several_loops,
    busy_loop,
    echo,
    answers,
    connections,
    bulk,
    startup,
    memory,
)

SCENARIOS = {scenario.name: scenario for subject in _SUBJECTS for scenario in subject.SCENARIOS}
DEFAULT_SCENARIOS = [name for name, scenario in SCENARIOS.items() if scenario.is_default]
