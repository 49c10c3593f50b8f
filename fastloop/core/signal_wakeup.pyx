"""How signals end the loop's wait: while it runs in the main thread, Python's signal handler writes into a pipe that it watches.

Without it a signal would end the wait only by interrupting the system call. One that arrives just before that call, or in another
  thread, would be noticed when something else wakes the loop.
Owns: Python's wake-up descriptor (signal.set_wakeup_fd()) during a run, unless somebody else has set it: add_signal_handler(), which has
  its own pair, or the program.
Driven by: LoopLife, around each run.
"""

from signal import set_wakeup_fd


cdef int signal_wakeup_begin(signal_wakeup_t *signals, poller_t *poller) except -1:
    if not signal_wakeup_open(signals, poller):
        return 0
    try:
        last_fd = set_wakeup_fd(signals.pipe.write_fd, warn_on_full_buffer=False)
    except ValueError:
        # Where Python is embedded, the thread that imported threading first counts as the main one there, but not for signals.
        return 0
    signals.has_begun = True
    return leave_to_others(last_fd, signals.pipe.write_fd)


cdef int signal_wakeup_end(signal_wakeup_t *signals) except -1:
    if signals.has_begun:
        signals.has_begun = False
        return leave_to_others(set_wakeup_fd(-1), signals.pipe.write_fd)
    return 0


# There is no way to ask for the descriptor without setting it.
cdef int leave_to_others(int last_fd, int own_fd) except -1:
    if last_fd != -1 and last_fd != own_fd:
        try:
            set_wakeup_fd(last_fd)
        except (OSError, ValueError):
            # It is closed, or another file by now.
            pass
    return 0
