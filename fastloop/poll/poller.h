/* Waiting for the kernel: which descriptors may be read or written.
 *
 * Owns: the contract below, the neutral flags and the only choice of backend (kqueue, epoll, or poll(2)).
 * Promises: the same answers on every backend, save where this file names a difference.
 * Knows no Python object and allocates nothing that poller_close() does not free.
 * Driven by the scheduler, through a poller_t that it embeds. A zeroed poller_t counts as closed.
 *
 * Include it first or after Python.h: both see to it that the C library declares its GNU names.
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
 *   A level is reported by every wait while it holds. An edge (interest with POLL_EDGE) is reported when it
 *   happens: once when the descriptor is added or its interest is set, if it is ready then, and again whenever
 *   something changes. An edge may be reported without cause, so its owner uses non-blocking calls and takes "would
 *   block" for an answer.
 *
 *   The owner of an edge reads or writes until a call would block or comes back short, and says so with
 *   poller_rearm(). That costs nothing where the kernel has edges. poll(2) has none: there each reported direction
 *   rests until poller_rearm() or poller_set_interest() wakes it, which is why an edge never turns into a busy loop
 *   on any backend.
 *
 * POLL_CLOSED.
 *   An error, a hang-up, or (for an edge that asks for POLL_READABLE) the peer's end of sending or an urgent byte. It is a hint and no
 *   verdict: the owner takes it for "readable and writable" and learns the truth from its next read or write. With it
 *   a short read is not the end: the end of file may wait behind the data and cause no further edge, so the owner
 *   reads on until 0 bytes or an error. It comes unasked, except that kqueue can tell it only of a direction that was
 *   asked for.
 *
 * What is owed when a descriptor is closed.
 *   poller_forget() before close(). Afterwards is too late if the open file lives on in a dup() or in a child: epoll
 *   then reports a number that nobody can remove any more (man 7 epoll, "Questions and answers", 6). If others close
 *   a registered descriptor all the same, its number may be reused at once and the next poller_set_interest() of it
 *   works.
 *
 * Threads.
 *   One thread at a time, and none while another is inside poller_wait(). To wake a waiting thread: wakeup.h.
 *
 * errno.
 *   -1 comes with errno, and the registration is then unknown: add again with old_interest 0, or forget. Without -1,
 *   errno is unspecified; poller_close(), poller_forget() and poller_rearm() keep it, for they are called while
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

/* Open a poller without registrations, close-on-exec. Returns 0, or -1 with errno; a failed poller is a closed one. */
static inline int poller_open(poller_t *poller);

/* Drop all registrations and free everything. Idempotent.
 * A forked child's descriptor is a second name of the parent's instance, if it has one at all: closing it changes nothing
 * for the parent. Do that before anything else with it; poller_forget() in the child would remove what the parent registered. */
static inline void poller_close(poller_t *poller);

/* Change what is reported of fd from old_interest, the owner's last word on it, to new_interest.
 * Interest without a direction means "not registered": from 0 adds, to 0 removes. Equal interests report once more
 * what is ready now. Removing succeeds for a descriptor that is closed, was never added or has become something else;
 * it leaves the batch that was returned last alone.
 * Returns 0, or -1 with errno: EBADF for a closed descriptor; EPERM for a regular file, with epoll only, as poll(2)
 * calls it always ready, and kqueue ready to be read up to its end; EPIPE with some kqueues for the writing end of a pipe
 * that nobody reads. */
static inline int poller_set_interest(poller_t *poller, int fd, unsigned old_interest, unsigned new_interest);

/* A read or write of an edge's direction would block, or came back short: report it when that changes. */
static inline void poller_rearm(poller_t *poller, int fd, unsigned directions);

/* fd is about to be closed: drop its registration, if any, and zero its events' flags in the batch returned last. */
static inline void poller_forget(poller_t *poller, int fd);

/* Wait until something is reported or timeout_ns have passed: below 0 forever, 0 not at all; never early, except that
 * a wait of more than INT_MAX milliseconds (24 days) may be cut to that.
 * Returns the number of events, at least 0 and at most capacity, or -1 with errno (EINTR too: the caller knows what
 * signals mean). A batch may be shorter than what is ready; the rest follows. kqueue reports each direction on its
 * own, so a descriptor may appear twice in a batch.
 * OWNERSHIP: events is borrowed until the next poller_wait() or poller_close(), for poller_forget() to reach it. */
static inline int poller_wait(poller_t *poller, int64_t timeout_ns, poll_event_t *events, int capacity);

/* "epoll", "kqueue" or "poll". */
static inline const char *poller_name(const poller_t *poller);

/* ---- For the backends ---- */

/* The events returned last.
 * LIMIT: silencing one descriptor looks at the whole batch; with batches of some hundred events this stays below the
 * cost of the close() that follows. */
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

/* Milliseconds for the calls that know nothing finer; rounded up, since down would be early. */
static inline int poll_timeout_to_ms(int64_t timeout_ns)
{
    if (timeout_ns < 0) {
        return -1;
    }
    int64_t timeout_ms = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
    return timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms;
}

/* Cut to INT_MAX milliseconds: fits a 32-bit time_t, and some kernels refuse what their own clock cannot hold. */
static inline struct timespec poll_timeout_to_timespec(int64_t timeout_ns)
{
    const int64_t longest_ns = (int64_t)INT_MAX * 1000000;
    struct timespec timeout;
    if (timeout_ns > longest_ns) {
        timeout_ns = longest_ns;
    }
    timeout.tv_sec = (time_t)(timeout_ns / 1000000000);
    timeout.tv_nsec = (long)(timeout_ns % 1000000000);
    return timeout;
}

#if defined(FASTLOOP_FORCE_POLL)
#include "poller_poll.h"
#elif defined(__linux__)
#define FASTLOOP_POLLER_IS_EPOLL 1
#include "poller_epoll.h"
#elif defined(__APPLE__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__) || defined(__DragonFly__)
#include "poller_kqueue.h"
#else
#include "poller_poll.h"
#endif

#endif
