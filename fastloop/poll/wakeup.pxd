"""The wake-up's names for Cython; wakeup.h holds their contract.

wakeup_signal() is for any thread and for signal handlers, the rest for the loop's own. No function needs the GIL.
"""


cdef extern from "wakeup.h" nogil:
    enum:
        WAKEUP_INTEREST
        WAKEUP_NEEDS_DRAIN

    ctypedef struct wakeup_t:
        pass

    int wakeup_open(wakeup_t *wakeup) noexcept
    void wakeup_close(wakeup_t *wakeup) noexcept
    int wakeup_fd(const wakeup_t *wakeup) noexcept
    void wakeup_signal(wakeup_t *wakeup) noexcept
    void wakeup_drain(wakeup_t *wakeup) noexcept
