"""Has the processes that multiprocessing starts run on fastloop, too.

Owns: what is added to the data that multiprocessing sends to a child.
Promises: a forked child has everything already. A spawned one, or one of a fork server, gets it before its first line of the program.
Driven by: multiprocessing, which unpickles the data in the child.
"""

import os

from fastloop.command.late_imports import when_imported
from fastloop.command.loop_classes import make_fastloop_loops, make_their_own_loops


def take_children_along():
    """Have each child that multiprocessing spawns run on fastloop, and its children as well."""
    when_imported("multiprocessing.spawn", _extend_preparation)


def leave_children_alone():
    """Have forked children make loops as without fastloop. Spawned ones do so of themselves."""
    os.register_at_fork(after_in_child=make_their_own_loops)


def _extend_preparation(spawn):
    original = spawn.get_preparation_data

    def get_preparation_data(*args, **kwargs):
        # multiprocessing passes over keys that it does not know.
        return {"fastloop": _Arrival(), **original(*args, **kwargs)}

    spawn.get_preparation_data = get_preparation_data


class _Arrival:
    """To unpickle it is to call _arrive()."""

    def __reduce__(self):
        return _arrive, ()


def _arrive():
    make_fastloop_loops()
    take_children_along()
