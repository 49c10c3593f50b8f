/* Waiting for the kernel: which descriptors may be read or written.
 *
 * Owns: the contract below, the neutral flags and the only choice of backend (kqueue, epoll, or poll(2)).
 * Promises: the same answers on every backend, except where this file names a difference.
 * Knows no Python object and allocates nothing that poller_close() does not free.
 * Driven by the scheduler, through a poller_t that it embeds. A zeroed poller_t counts as closed.
 *
 * Include it first or after Python.h. Both make the C library declare its GNU names.
 */
#ifndef FASTLOOP_POLLER_H
#define FASTLOOP_POLLER_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/*
 * Levels and edges.
 *   A level is reported by every wait while it holds. An edge (interest with POLL_EDGE) is reported when it happens:
 *   once when the descriptor is added or its interest is set, if it is ready then, and again whenever something changes.
 *   An edge may be reported without cause, so its owner uses non-blocking calls and accepts "would block" as an answer.
 *
 *   The owner of an edge reads or writes until a call would block or is short, and then calls poller_rearm(). That costs
 *   nothing where the kernel has edges. poll(2) has none. There each reported direction rests until poller_rearm() or
 *   poller_set_interest() wakes it, so an edge never turns into a busy loop on any backend.
 *
 * POLL_CLOSED.
 *   An error, a hang-up, or (for an edge that asks for POLL_READABLE) the peer's end of sending or an urgent byte. It is a
 *   hint, not a verdict. The owner treats it as "readable and writable" and learns the truth from its next read or write.
 *   After it, a short read is not the end: the end of file may wait behind the data and cause no further edge. So the
 *   owner keeps reading until 0 bytes or an error. It need not be asked for, except that kqueue can report it only for a
 *   direction that was asked for.
 *
 * Before a descriptor is closed.
 *   Call poller_forget() before close(). Afterwards is too late if a dup() or a child keeps the open file alive: epoll then
 *   reports a number that nobody can remove (man 7 epoll, "Questions and answers", 6). If others close a registered
 *   descriptor anyway, its number may be reused at once, and the next poller_set_interest() for it works.
 *
 * Threads.
 *   One thread at a time, and none while another is inside poller_wait(). To wake a waiting thread, use wakeup.h.
 *
 * errno.
 *   -1 comes with errno, and the registration is then unknown: add it again with old_interest 0, or forget it. Without -1,
 *   errno is unspecified. poller_close(), poller_forget() and poller_rearm() preserve it, because they are called while
 *   something else fails.
 */

enum {
    POLL_READABLE = 1,
    POLL_WRITABLE = 2,
    POLL_CLOSED = 4, /* reported only */
    POLL_EDGE = 8,   /* interest only */
};

enum { POLL_BOTH_DIRECTIONS = POLL_READABLE | POLL_WRITABLE };

typedef struct {
    int fd;
    unsigned flags; /* 0: silenced by poller_forget(), skip it */
} poll_event_t;

typedef struct poller poller_t;

/* Open a poller without registrations, close-on-exec. Returns 0, or -1 with errno. After a failure the poller counts as closed. */
static inline int poller_open(poller_t *poller);

/* Drop all registrations and free everything. Idempotent.
 * In a forked child the descriptor, if there is one, refers to the parent's instance. Closing it changes nothing for the
 * parent. Do that before anything else with the poller: poller_forget() in the child would remove what the parent registered. */
static inline void poller_close(poller_t *poller);

/* Change what is reported for fd from old_interest, the interest that was set last, to new_interest.
 * Interest without a direction means "not registered": from 0 adds, to 0 removes. If both are equal, what is ready now is
 * reported once more. Removing succeeds for a descriptor that is closed, was never added or has become something else. It
 * leaves the last batch alone.
 * Returns 0, or -1 with errno. EBADF: the descriptor is closed. EPERM: a regular file, with epoll only; poll(2) calls it
 * always ready, and kqueue ready to be read up to its end. EPIPE: with some kqueues, the writing end of a pipe that nobody reads. */
static inline int poller_set_interest(poller_t *poller, int fd, unsigned old_interest, unsigned new_interest);

/* A read or write in an edge's direction would block or was short: report the direction when that changes. */
static inline void poller_rearm(poller_t *poller, int fd, unsigned directions);

/* fd is about to be closed: drop its registration, if any, and zero the flags of its events in the last batch. */
static inline void poller_forget(poller_t *poller, int fd);

/* Wait until something is reported or timeout_ns have passed. Below 0 means forever, 0 not at all. It never ends early,
 * except that a wait of more than INT_MAX milliseconds (24 days) may be cut to that.
 * Returns the number of events, from 0 to capacity, or -1 with errno (EINTR too: the caller knows what signals mean). A
 * batch may be shorter than what is ready. The rest follows in the next one. kqueue reports each direction separately, so
 * a descriptor may appear twice in a batch.
 * OWNERSHIP: events is borrowed until the next poller_wait() or poller_close(), so that poller_forget() can reach it. */
static inline int poller_wait(poller_t *poller, int64_t timeout_ns, poll_event_t *events, int capacity);

/* "epoll", "kqueue" or "poll". */
static inline const char *poller_name(const poller_t *poller);

/* ---- For the backends ---- */

/* The last batch of events.
 * LIMIT: silencing one descriptor scans the whole batch. With batches of a few hundred events this costs less than the
 * close() that follows. */
typedef struct {
    poll_event_t *events; /* borrowed from poller_wait()'s caller */
    int count;
} poll_batch_t;

static inline void poll_batch_end(poll_batch_t *batch)
{
    batch->events = NULL;
    batch->count = 0;
}

static inline void poll_batch_silence(poll_batch_t *batch, int fd)
{
    for (int i = 0; i < batch->count; i++) {
        if (batch->events[i].fd == fd) {
            batch->events[i].flags = 0;
        }
    }
}

static inline bool poll_has_direction(unsigned interest)
{
    return (interest & POLL_BOTH_DIRECTIONS) != 0;
}

static inline int poll_fail(int error)
{
    errno = error;
    return -1;
}

/* Milliseconds, for the calls that have no finer unit. Rounded up: rounding down would end the wait early. */
static inline int poll_timeout_to_ms(int64_t timeout_ns)
{
    if (timeout_ns < 0) {
        return -1;
    }
    int64_t timeout_ms = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
    return timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms;
}

/* Cut to INT_MAX milliseconds, which fits a 32-bit time_t. Some kernels refuse a time that their own clock cannot hold. */
static inline struct timespec poll_timeout_to_timespec(int64_t timeout_ns)
{
    const int64_t max_ns = (int64_t)INT_MAX * 1000000;
    struct timespec timeout;
    if (timeout_ns > max_ns) {
        timeout_ns = max_ns;
    }
    timeout.tv_sec = (time_t)(timeout_ns / 1000000000);
    timeout.tv_nsec = (long)(timeout_ns % 1000000000);
    return timeout;
}

#if defined(FASTLOOP_FORCE_POLL)
#include "poller_poll.h"
#elif defined(FASTLOOP_FORCE_KQUEUE_EMULATION)
#include "poller_kqueue.h"
#elif defined(__linux__)
#define FASTLOOP_POLLER_IS_EPOLL 1
#include "poller_epoll.h"
#elif defined(__APPLE__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__) || defined(__DragonFly__)
#include "poller_kqueue.h"
#else
#include "poller_poll.h"
#endif

#endif
