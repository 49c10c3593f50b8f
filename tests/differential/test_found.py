"""Programs that the differential test has found, each with the right result: what asyncio does.

An event is a line of the trace without the place in the program; "turn 3" begins a turn.
"""

import sys

import pytest

import comparison
from program import (
    AddDoneCallback,
    AddReader,
    CallLater,
    CallSoon,
    CancelTask,
    Close,
    Connect,
    Dial,
    PauseReading,
    Phase,
    Program,
    Raise,
    Reactions,
    ResumeReading,
    Send,
    SetResult,
    SetVariable,
    SockReceive,
    Ticker,
    Write,
    WriteEof,
)

# From Python 3.15 on all methods of a protocol are called in one context; before, each in a copy from when it was scheduled.
SEES_EARLIER_VARIABLE = "runs var=1" if sys.version_info >= (3, 15) else "runs"


@pytest.fixture(params=[comparison.ASYNCIO, *comparison.fastloop_implementations()], ids=lambda tested: tested.name)
def events(request):
    """A function that returns what happens in a program, from its first turn to its last phase's end."""

    def run(program):
        trace = request.param.trace(program)
        return [without_place(line) for line in trace[trace.index("turn 1") : trace.index("closing")]]

    return run


def without_place(line):
    place, _, event = line.partition(" ")
    return line if place == "turn" else event.rstrip()


def test_a_timer_without_delay_comes_in_the_next_turn_also_while_callbacks_are_ready(events):
    program = Program((Phase(4, (Ticker(2, (CallLater(0),)),)),))
    assert events(program) == ["turn 1", "tick 1", "turn 2", "tick 2", "call_later", "turn 3", "runs", "turn 4", "stopped"]


def test_a_timer_comes_in_the_turn_in_which_it_is_due_also_while_callbacks_are_ready(events):
    program = Program((Phase(4, (Ticker(3), CallLater(2))),))
    assert events(program) == ["turn 1", "tick 1", "turn 2", "tick 2", "turn 3", "tick 3", "runs", "turn 4", "stopped"]


def test_a_reader_is_called_in_the_turn_after_the_write_also_while_callbacks_are_ready(events):
    program = Program((Phase(4, (AddReader(0), Ticker(2, (Send(1, 3),)))),), pairs=("unix",))
    assert events(program) == ["turn 1", "tick 1", "turn 2", "tick 2", "send 3", "turn 3", "end 0 readable b'abc'", "turn 4", "stopped"]


def test_written_bytes_reach_the_other_transport_in_the_next_turn(events):
    program = Program((Phase(4, (Connect(0), Connect(1, Reactions((Write(1, 3),))))),), pairs=("tcp",))
    assert events(program)[-7:] == [
        "write",
        "turn 3",
        "connected False",
        "connected False",
        "end 0 data_received b'abc'",
        "turn 4",
        "stopped",
    ]


def test_an_accepted_connection_is_made_two_turns_after_it_was_accepted(events):
    program = Program((Phase(4, (Dial(),)),), server=Reactions())
    assert events(program) == ["turn 1", "turn 2", "1 protocol made", "turn 3", "accepted 1 connection_made", "turn 4", "stopped"]


def test_a_write_to_a_peer_that_has_left_fails_before_what_is_scheduled_after_it(events):
    connect_late = Connect(0, Reactions((Write(0, 1), CallSoon())))
    program = Program((Phase(7, (Connect(1, Reactions((Close(1),))), Ticker(3, (connect_late,)))),), pairs=("unix",))
    assert events(program)[-8:] == [
        "write",
        "call_soon",
        "turn 6",
        "end 0 connection_lost BrokenPipeError",
        "runs",
        "connected True",
        "turn 7",
        "stopped",
    ]


def test_system_exit_in_a_callback_of_a_future_leaves_the_others_their_place_in_the_queue(events):
    program = Program((Phase(2, (AddDoneCallback(0, (Raise(True),)), AddDoneCallback(0), SetResult(0))),))
    assert events(program) == ["turn 1", "runs 1", "raises", "run raised SystemExit(0b.0.0)", "runs 1", "turn 2", "stopped"]


def test_sock_recv_goes_on_in_the_turn_after_the_one_that_reads(events):
    program = Program((Phase(6, (Ticker(2, (Send(0, 2),)),), (SockReceive(1),)),), pairs=("unix",))
    assert events(program)[-8:] == ["tick 2", "send 2", "turn 3", "turn 4", "sock_receive gave b'ab'", "ends", "turn 5", "main gave 0m"]


def test_a_protocol_reads_once_in_a_turn(events):
    program = Program((Phase(5, (Connect(0, Reactions(is_buffered=True)), Connect(1, Reactions((Write(1, 5),))))),), pairs=("unix",))
    assert events(program)[-5:] == ["end 0 data_received b'abcd'", "turn 4", "end 0 data_received b'e'", "turn 5", "stopped"]


def test_whether_data_received_sees_a_context_variable_that_connection_made_sets(events):
    protocol = Reactions((SetVariable(1),), data=(CallSoon(),))
    program = Program((Phase(5, (Connect(0, protocol), Connect(1, Reactions((Write(1, 1),))))),), pairs=("unix",))
    assert events(program)[-5:] == ["call_soon", "turn 4", SEES_EARLIER_VARIABLE, "turn 5", "stopped"]


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_end_of_file_behind_a_full_buffer_comes_in_the_turn_after_the_close(events, kind):
    closed_in_turn_7 = Connect(1, Reactions((CancelTask(1),)))
    program = Program((Phase(3, (Send(1, 4),)), Phase(6, (Connect(0, Reactions(is_buffered=True)), closed_in_turn_7))), pairs=(kind,))
    assert events(program)[-8:] == [
        "end 0 data_received b'abcd'",
        "turn 7",
        "end 1 connection_lost NoneType",
        "turn 8",
        "end 0 eof_received",
        "turn 9",
        "end 0 connection_lost NoneType",
        "stopped",
    ]


def test_whether_connection_lost_sees_a_context_variable_that_is_set_after_close(events):
    protocol = Reactions(eof=(Close(0), SetVariable(1)), lost=(CallSoon(),))
    program = Program((Phase(3, (Connect(0, protocol), Connect(1))), Phase(5, (WriteEof(1),))), pairs=("unix",))
    assert events(program)[-13:-5] == [
        "end 0 eof_received",
        "close_",
        "set_variable 0 -> 1",
        "turn 5",
        "end 0 connection_lost NoneType",
        "call_soon",
        "turn 6",
        SEES_EARLIER_VARIABLE,
    ]


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_pause_makes_a_report_of_the_kernel_void_that_waits_its_turn(events, kind):
    # In turn 4 the kernel reports the end of file behind the callback that pauses and resumes.
    ends_at_once = Connect(1, Reactions((Write(0, 1),), (WriteEof(0),)))
    program = Program((Phase(3, (Connect(0), ends_at_once)), Phase(3, (CallSoon((PauseReading(1), ResumeReading(1))),))), pairs=(kind,))
    assert events(program)[-7:] == [
        "pause_reading",
        "resume_reading",
        "turn 5",
        "end 1 eof_received",
        "turn 6",
        "end 1 connection_lost NoneType",
        "stopped",
    ]
