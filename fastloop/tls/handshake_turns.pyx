"""HandshakeTurns: how much time the handshakes of one turn of the loop have taken.

A step of a handshake takes up to a few milliseconds, most of it for a signature. If 200 clients connect at once, other
connections would wait for all of them.

Owns: the time that the current turn has spent.
Promises: after MAX_NS_PER_TURN no further step begins in the same turn. Each turn has at least one.
Driven by: TlsTransport, and the scheduler, which begins the next turn.
"""

from fastloop.core.clock cimport clock_now_ns
from fastloop.core.loop_life cimport LoopLife
from fastloop.core.runnable cimport Runnable
from fastloop.core.scheduler cimport Scheduler, scheduler_run_next_turn


cdef enum:
    MAX_NS_PER_TURN = 2000000


cdef class HandshakeTurns(Runnable):
    # INVARIANT: the queues hold only what the garbage collector knows. It knows what has such a field.
    cdef Scheduler loop
    cdef long long spent_ns
    cdef bint is_queued

    cdef int run(self) except -1:
        self.spent_ns = 0
        self.is_queued = False
        return 0


cdef bint handshake_may_run(Scheduler loop) noexcept:
    turns = (<LoopLife>loop)._handshake_turns
    return turns is None or (<HandshakeTurns>turns).spent_ns < MAX_NS_PER_TURN


cdef int handshake_has_run(Scheduler loop, long long began_ns) except -1:
    cdef HandshakeTurns turns
    if (<LoopLife>loop)._handshake_turns is None:
        turns = HandshakeTurns.__new__(HandshakeTurns)
        turns.loop = loop
        (<LoopLife>loop)._handshake_turns = turns
    turns = <HandshakeTurns>(<LoopLife>loop)._handshake_turns
    turns.spent_ns += clock_now_ns() - began_ns
    if not turns.is_queued:
        turns.is_queued = True
        scheduler_run_next_turn(loop, turns)
    return 0
