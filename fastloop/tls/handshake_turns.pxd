# Handshakes take turns, so that many at once do not stop the loop for others.

from libc.stdint cimport int64_t

from fastloop.core.loop_life cimport LoopLife


# Whether a handshake may continue in this turn of the loop; otherwise in the next.
cdef bint handshake_may_run(LoopLife loop) noexcept

# One has continued, from began_ns on.
cdef void handshake_has_run(LoopLife loop, int64_t began_ns) noexcept
