"""One loop made ready for one scenario, in whatever processes that takes."""

from contextlib import ExitStack, contextmanager

from benchmarks import Failure
from benchmarks.loops import LOOPS
from benchmarks.processes import Process, python_command
from benchmarks.scenario import Participant
from benchmarks.scenarios import SCENARIOS


@contextmanager
def ready_participant(scenario, loop_name, is_quick):
    """Yield a Participant. Its processes end with the block."""
    if not scenario.is_in_process:
        with scenario.participate(LOOPS[loop_name], is_quick) as participant:
            yield participant
        return
    with ExitStack() as stack:
        command = python_command("alone", loop_name, scenario.name, *(["--quick"] if is_quick else []))
        process = Process(command, stack)
        yield Participant(process.greeting["loop_class"], lambda: process.ask("next"))


def reason_not_to_start(loop_name):
    """Return why the loop cannot run a coroutine here, None if it can: wheels may need a newer kernel or C library."""
    try:
        with ready_participant(SCENARIOS["sleep_zero_one_task"], loop_name, is_quick=True) as participant:
            participant.take_turn()
    except Failure as failure:
        return str(failure)
