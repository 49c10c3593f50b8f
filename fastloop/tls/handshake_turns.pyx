"""How much time handshakes have taken since the loop last asked the kernel.

A step of a handshake takes up to a few milliseconds, most of it for a signature. If 200 clients connect at once, other
connections would wait for all of them.

Promises: after MAX_NS_PER_TURN no further step begins before the loop has asked the kernel for other events. Then at least one
  does. Those that wait go on in the order in which they came.
Driven by: HandshakingTransport.
"""

from libc.stdint cimport int64_t, uint64_t

from fastloop.core.clock cimport clock_now_ns
from fastloop.core.loop_counters cimport loop_counter_get
from fastloop.core.loop_life cimport LoopLife


cdef enum:
    MAX_NS_PER_TURN = 2000000


cdef bint handshake_may_run(LoopLife loop) noexcept:
    return loop.handshakes_began_at_poll != loop_counter_get(&loop.counters.polls) or loop.handshakes_ns < MAX_NS_PER_TURN


cdef void handshake_has_run(LoopLife loop, int64_t began_ns) noexcept:
    cdef uint64_t polls = loop_counter_get(&loop.counters.polls)
    if loop.handshakes_began_at_poll != polls:
        loop.handshakes_began_at_poll, loop.handshakes_ns = polls, 0
    loop.handshakes_ns += clock_now_ns() - began_ns
