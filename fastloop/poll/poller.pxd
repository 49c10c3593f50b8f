"""The poller's names for Cython; poller.h holds their contract.

Errors are -1 with errno. The caller raises once it has the GIL again. No function needs the GIL.
"""

from libc.stdint cimport int64_t


cdef extern from "poller.h" nogil:
    enum:
        POLL_READABLE
        POLL_WRITABLE
        POLL_CLOSED
        POLL_EDGE
        POLL_BOTH_DIRECTIONS

    ctypedef struct poll_event_t:
        int fd
        unsigned int flags

    ctypedef struct poller_t:
        pass

    int poller_open(poller_t *poller) noexcept
    void poller_close(poller_t *poller) noexcept
    int poller_set_interest(poller_t *poller, int fd, unsigned int old_interest, unsigned int new_interest) noexcept
    void poller_rearm(poller_t *poller, int fd, unsigned int directions) noexcept
    void poller_forget(poller_t *poller, int fd) noexcept
    int poller_wait(poller_t *poller, int64_t timeout_ns, poll_event_t *events, int capacity) noexcept
    const char *poller_name(const poller_t *poller) noexcept
