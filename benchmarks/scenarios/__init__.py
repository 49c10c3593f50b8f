"""Every scenario that the benchmarks know, in the order of the table.

Owns: the list. A new scenario is written in the file of its subject, which lists it in SCENARIOS. Those of the run without arguments are
  named here.
Importing this package imports asyncio and no other loop.
"""

import importlib

_SUBJECTS = (
    *("tasks", "futures", "callbacks", "timers", "synchronization", "threads", "names", "several_loops", "busy_loop"),
    *("echo", "streams", "datagrams", "answers", "connections", "bulk", "tls", "pipes", "subprocesses", "startup", "memory"),
)
_MODULES = [importlib.import_module(f"benchmarks.scenarios.{subject}") for subject in _SUBJECTS]
SCENARIOS = {scenario.name: scenario for module in _MODULES for scenario in module.SCENARIOS}
# The run without arguments takes a minute: what is compared most often, of each kind.
DEFAULT_SCENARIOS = [
    *("sleep_zero_one_task", "create_task_and_await", "call_soon_batch", "timers_firing", "run_in_executor"),
    *("echo_tcp_protocol_1kb_1", "echo_tcp_protocol_1kb_64", "echo_unix_protocol_1kb_64", "stream_readline_tcp_streams"),
    *("answer_tcp_protocol_64", "connections_tcp_protocol", "memory_per_connection_tcp_protocol", "tls_echo_protocol_1kb_64"),
]
