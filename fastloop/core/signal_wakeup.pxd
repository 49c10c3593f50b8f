# How signals end the loop's wait.

from fastloop.poll.poller cimport poller_t
from fastloop.poll.wakeup_pipe cimport wakeup_pipe_t


# signal_wakeup.h holds their contract.
cdef extern from "signal_wakeup.h":
    ctypedef struct signal_wakeup_t:
        wakeup_pipe_t pipe
        bint has_begun

    bint signal_wakeup_open(signal_wakeup_t *signals, poller_t *poller) noexcept
    void signal_wakeup_close(signal_wakeup_t *signals) noexcept
    int signal_wakeup_fd(const signal_wakeup_t *signals) noexcept
    void signal_wakeup_drain(const signal_wakeup_t *signals) noexcept


# In the main thread only. Idempotent. Without a free descriptor signals only interrupt the wait.
cdef int signal_wakeup_begin(signal_wakeup_t *signals, poller_t *poller) except -1
# Idempotent. Runs no code in Python, where a signal could interrupt it.
cdef int signal_wakeup_end(signal_wakeup_t *signals) except -1
