# Handshakes take turns, so that many at once do not stop the loop for others.

from fastloop.core.scheduler cimport Scheduler


# Whether a handshake may continue in this turn of the loop; otherwise in the next.
cdef bint handshake_may_run(Scheduler loop) noexcept

# One has continued, from began_ns on.
cdef int handshake_has_run(Scheduler loop, long long began_ns) except -1
