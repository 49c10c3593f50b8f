/* The pipe through which Python's signal handler wakes the loop.
 *
 * Owns: the pipe. A zeroed signal_wakeup_t counts as closed.
 * Driven by signal_wakeup.pyx, and by the scheduler when the pipe has an event.
 */
#ifndef FASTLOOP_SIGNAL_WAKEUP_H
#define FASTLOOP_SIGNAL_WAKEUP_H

#include "poller.h"
#include "wakeup_pipe.h"

typedef struct {
    wakeup_pipe_t pipe;
    bool has_begun; /* for signal_wakeup.pyx */
} signal_wakeup_t;

/* The descriptor whose events are for signal_wakeup_drain(); -1 if there is none. */
static inline int signal_wakeup_fd(const signal_wakeup_t *signals)
{
    return signals->pipe.is_open ? signals->pipe.read_fd : -1;
}

static inline void signal_wakeup_drain(const signal_wakeup_t *signals)
{
    while (wakeup_pipe_read(&signals->pipe)) {
    }
}

/* Idempotent. */
static inline void signal_wakeup_close(signal_wakeup_t *signals)
{
    if (signals->pipe.is_open) {
        signals->pipe.is_open = false;
        wakeup_pipe_close_ends(&signals->pipe);
    }
}

/* Open the pipe and watch it, unless that was done before. Returns false if no descriptor is free. */
static inline bool signal_wakeup_open(signal_wakeup_t *signals, poller_t *poller)
{
    if (signals->pipe.is_open) {
        return true;
    }
    if (wakeup_pipe_open(&signals->pipe) == -1) {
        return false;
    }
    if (poller_set_interest(poller, signals->pipe.read_fd, 0, POLL_READABLE) == -1) {
        signal_wakeup_close(signals);
        return false;
    }
    return true;
}

#endif
