/* Waking a thread that waits in poller_wait().
 *
 * Owns: an eventfd on Linux (unless FASTLOOP_FORCE_PIPE), elsewhere a pipe. Both are non-blocking and close-on-exec.
 * Promises: any number of signals before a wait end it once. None is lost. A signal never blocks and preserves errno.
 * Driven by call_soon_threadsafe() and C signal handlers on one side, by the scheduler on the other. A zeroed wakeup_t
 *   counts as closed.
 *
 * The owner makes sure that wakeup_close() never runs while another thread may signal. That thread could write to a
 * number that belongs to another file by then.
 */
#ifndef FASTLOOP_WAKEUP_H
#define FASTLOOP_WAKEUP_H

#include "poller.h"

#include <unistd.h>

#if defined(__linux__) && !defined(FASTLOOP_FORCE_PIPE)
#define FASTLOOP_WAKEUP_IS_EVENTFD 1
#include <sys/eventfd.h>
#else
#include "wakeup_pipe.h"
#endif

/* What to register wakeup_fd() for, and whether wakeup_drain() must be called after its event.
 * HOT: every write to an eventfd makes an edge, even if nothing was read in between (eventfd_write() wakes its queue each
 * time). So with epoll the counter is left alone, and a wake-up costs the loop no read. A pipe must be drained: it fills up. */
#if defined(FASTLOOP_WAKEUP_IS_EVENTFD) && defined(FASTLOOP_POLLER_IS_EPOLL)
enum { WAKEUP_INTEREST = POLL_READABLE | POLL_EDGE, WAKEUP_NEEDS_DRAIN = 0 };
#else
enum { WAKEUP_INTEREST = POLL_READABLE, WAKEUP_NEEDS_DRAIN = 1 };
#endif

#ifdef FASTLOOP_WAKEUP_IS_EVENTFD

typedef struct {
    bool is_open;
    int read_fd;
    int write_fd; /* the same eventfd */
} wakeup_t;

static inline int wakeup_open(wakeup_t *wakeup)
{
    wakeup->read_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    wakeup->write_fd = wakeup->read_fd;
    wakeup->is_open = wakeup->read_fd >= 0;
    return wakeup->is_open ? 0 : -1;
}

static inline void wakeup_close_descriptors(wakeup_t *wakeup)
{
    close(wakeup->read_fd);
}

static inline ssize_t wakeup_write(wakeup_t *wakeup)
{
    const uint64_t one = 1;
    return write(wakeup->write_fd, &one, sizeof(one));
}

/* One read takes the whole counter. */
static inline bool wakeup_read(wakeup_t *wakeup)
{
    uint64_t signals;
    (void)!read(wakeup->read_fd, &signals, sizeof(signals));
    return false;
}

#else

typedef wakeup_pipe_t wakeup_t;

static inline int wakeup_open(wakeup_t *wakeup)
{
    return wakeup_pipe_open(wakeup);
}

static inline void wakeup_close_descriptors(wakeup_t *wakeup)
{
    wakeup_pipe_close_ends(wakeup);
}

static inline ssize_t wakeup_write(wakeup_t *wakeup)
{
    return write(wakeup->write_fd, "", 1);
}

static inline bool wakeup_read(wakeup_t *wakeup)
{
    return wakeup_pipe_read(wakeup);
}

#endif

/* Idempotent. A forked child closes its copy, so that neither process takes the other's signals. */
static inline void wakeup_close(wakeup_t *wakeup)
{
    const int saved_errno = errno;
    if (wakeup->is_open) {
        wakeup->is_open = false;
        wakeup_close_descriptors(wakeup);
        wakeup->read_fd = wakeup->write_fd = -1;
    }
    errno = saved_errno;
}

/* The descriptor to register with the poller for WAKEUP_INTEREST; -1 if closed. */
static inline int wakeup_fd(const wakeup_t *wakeup)
{
    return wakeup->is_open ? wakeup->read_fd : -1;
}

/* End the current wait, or the next one. For any thread and any signal handler. Does nothing if closed. A full pipe or
 * counter (EAGAIN) already holds a signal. */
static inline void wakeup_signal(wakeup_t *wakeup)
{
    const int saved_errno = errno;
    if (wakeup->is_open) {
        while (wakeup_write(wakeup) == -1 && errno == EINTR) {
        }
    }
    errno = saved_errno;
}

/* Take all signals so far. Look at what they announce only afterwards, or a signal in between is missed. */
static inline void wakeup_drain(wakeup_t *wakeup)
{
    if (wakeup->is_open) {
        while (wakeup_read(wakeup)) {
        }
    }
}

#endif
