/* The poller on macOS and the BSDs: kqueue(2).
 *
 * Owns: one kqueue. A direction is one filter (EVFILT_READ, EVFILT_WRITE), added, removed and reported separately. An
 *   edge is a filter with EV_CLEAR.
 * Promises: no allocation, one system call per wait; exact waits.
 * Chosen by poller.h, which holds the contract.
 */
#ifndef FASTLOOP_POLLER_KQUEUE_H
#define FASTLOOP_POLLER_KQUEUE_H

#include <fcntl.h>
#include <sys/types.h>
#include <sys/event.h>
#include <sys/time.h>
#include <unistd.h>

/* How many events one system call may return. They are converted on the stack; more would delay timers. */
enum { POLLER_KQUEUE_BATCH = 256 };

struct poller {
    bool is_open;
    int kqueue_fd;
    /* A forked child has no such kqueue. There the number is free or belongs to another file. */
    pid_t owner_pid;
    poll_batch_t last_batch;
};

static inline int poller_open(poller_t *poller)
{
    poll_batch_end(&poller->last_batch);
    poller->owner_pid = getpid();
    poller->kqueue_fd = kqueue();
    poller->is_open = poller->kqueue_fd >= 0;
    if (!poller->is_open) {
        return -1;
    }
    /* A forked child does not inherit a kqueue (man 2 kqueue), so only an exec without a fork could see it in between. */
    if (fcntl(poller->kqueue_fd, F_SETFD, FD_CLOEXEC) == -1) {
        poller_close(poller);
        return -1;
    }
    return 0;
}

static inline void poller_close(poller_t *poller)
{
    const int saved_errno = errno;
    poll_batch_end(&poller->last_batch);
    if (poller->is_open) {
        poller->is_open = false;
        if (poller->owner_pid == getpid()) {
            close(poller->kqueue_fd);
        }
        poller->kqueue_fd = -1;
    }
    errno = saved_errno;
}

/* The interest is passed as udata, so that a report says whether it belongs to an edge. */
static inline struct kevent poller_kqueue_change(int fd, int filter, int action, unsigned interest)
{
    struct kevent change;
    EV_SET(&change, (uintptr_t)fd, filter, action, 0, 0, (void *)(uintptr_t)interest);
    return change;
}

/* Errors are ignored: the kernel drops the filters of a closed descriptor by itself. */
static inline void poller_kqueue_remove(poller_t *poller, int fd, int filter)
{
    struct kevent change = poller_kqueue_change(fd, filter, EV_DELETE, 0);
    (void)kevent(poller->kqueue_fd, &change, 1, NULL, 0, NULL);
}

/* Adding a filter that exists updates it and reports once more what is ready. */
static inline int poller_kqueue_add(poller_t *poller, int fd, unsigned interest)
{
    struct kevent changes[2];
    int count = 0;
    const int action = EV_ADD | ((interest & POLL_EDGE) ? EV_CLEAR : 0);
    if (interest & POLL_READABLE) {
        changes[count++] = poller_kqueue_change(fd, EVFILT_READ, action, interest);
    }
    if (interest & POLL_WRITABLE) {
        changes[count++] = poller_kqueue_change(fd, EVFILT_WRITE, action, interest);
    }
    /* Without room for events, kevent() stops at the first change that fails and returns its error. */
    return count == 0 ? 0 : kevent(poller->kqueue_fd, changes, count, NULL, 0, NULL);
}

/* The directions that lose their filter. They are no longer asked for, or have changed between level and edge: EV_ADD
 * alone does not make an edge of a filter that exists as a level. */
static inline unsigned poller_kqueue_outdated(unsigned old_interest, unsigned new_interest)
{
    const bool is_other_kind = ((old_interest ^ new_interest) & POLL_EDGE) != 0;
    return old_interest & POLL_BOTH_DIRECTIONS & (is_other_kind ? POLL_BOTH_DIRECTIONS : ~new_interest);
}

static inline void poller_kqueue_remove_directions(poller_t *poller, int fd, unsigned directions)
{
    if (directions & POLL_READABLE) {
        poller_kqueue_remove(poller, fd, EVFILT_READ);
    }
    if (directions & POLL_WRITABLE) {
        poller_kqueue_remove(poller, fd, EVFILT_WRITE);
    }
}

static inline int poller_set_interest(poller_t *poller, int fd, unsigned old_interest, unsigned new_interest)
{
    if (!poller->is_open) {
        return poll_fail(EBADF);
    }
    poller_kqueue_remove_directions(poller, fd, poller_kqueue_outdated(old_interest, new_interest));
    if (poller_kqueue_add(poller, fd, new_interest) == 0) {
        return 0;
    }
    /* One filter may have been added before the other failed. */
    const int saved_errno = errno;
    poller_kqueue_remove_directions(poller, fd, POLL_BOTH_DIRECTIONS);
    return poll_fail(saved_errno);
}

/* Nothing to do: the kernel notices by itself that a socket would block, and makes the next edge from that. */
static inline void poller_rearm(poller_t *poller, int fd, unsigned directions)
{
    (void)poller;
    (void)fd;
    (void)directions;
}

static inline void poller_forget(poller_t *poller, int fd)
{
    const int saved_errno = errno;
    poll_batch_silence(&poller->last_batch, fd);
    if (poller->is_open) {
        poller_kqueue_remove_directions(poller, fd, POLL_BOTH_DIRECTIONS);
    }
    errno = saved_errno;
}

/* EV_EOF of the read filter is the peer's end of sending. A level reports it as readable and no more: with POLL_CLOSED
 * its owner would be called as writable without cause. fflags has the socket's error, if there is one. */
static inline unsigned poller_kqueue_flags(const struct kevent *event)
{
    const unsigned interest = (unsigned)(uintptr_t)event->udata;
    const bool is_end = (event->flags & EV_EOF) != 0;
    if (event->filter == EVFILT_WRITE) {
        return POLL_WRITABLE | (is_end ? POLL_CLOSED : 0);
    }
    return POLL_READABLE | (is_end && ((interest & POLL_EDGE) || event->fflags != 0) ? POLL_CLOSED : 0);
}

static inline int poller_wait(poller_t *poller, int64_t timeout_ns, poll_event_t *events, int capacity)
{
    struct kevent kernel_events[POLLER_KQUEUE_BATCH];
    poll_batch_end(&poller->last_batch);
    if (!poller->is_open) {
        return poll_fail(EBADF);
    }
    /* kevent() does not wait if there is room for no events (man 2 kqueue). */
    if (capacity <= 0) {
        return poll_fail(EINVAL);
    }
    if (capacity > POLLER_KQUEUE_BATCH) {
        capacity = POLLER_KQUEUE_BATCH;
    }
    const struct timespec timeout = poll_timeout_to_timespec(timeout_ns < 0 ? 0 : timeout_ns);
    int count = kevent(poller->kqueue_fd, NULL, 0, kernel_events, capacity, timeout_ns < 0 ? NULL : &timeout);
    for (int i = 0; i < count; i++) {
        events[i].fd = (int)kernel_events[i].ident;
        events[i].flags = poller_kqueue_flags(&kernel_events[i]);
    }
    if (count > 0) {
        poller->last_batch.events = events;
        poller->last_batch.count = count;
    }
    return count;
}

static inline const char *poller_name(const poller_t *poller)
{
    (void)poller;
    return "kqueue";
}

#endif
