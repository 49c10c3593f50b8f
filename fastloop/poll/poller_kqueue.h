/* The poller on macOS and the BSDs: kqueue(2).
 *
 * Owns: one kqueue. A direction is one filter (EVFILT_READ, EVFILT_WRITE), added, removed and reported separately. An
 *   edge is a filter with EV_CLEAR.
 * Promises: no allocation, one system call per wait; exact waits. Rearming costs no system call.
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

/* How many rearmed descriptors wait for the next wait. With more, each costs a system call. */
enum { POLLER_KQUEUE_REARMED = 32 };

struct poller {
    bool is_open;
    int kqueue_fd;
    /* A forked child has no such kqueue. There the number is free or belongs to another file. */
    pid_t owner_pid;
    poll_batch_t last_batch;
    int rearmed_fds[POLLER_KQUEUE_REARMED]; /* to be told to the kernel by the next wait */
    int rearmed_count;
};

static inline int poller_open(poller_t *poller)
{
    poll_batch_end(&poller->last_batch);
    poller->rearmed_count = 0;
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

static inline void poller_kqueue_drop_rearmed(poller_t *poller, int fd)
{
    for (int i = poller->rearmed_count; i-- > 0;) {
        if (poller->rearmed_fds[i] == fd) {
            poller->rearmed_fds[i] = poller->rearmed_fds[--poller->rearmed_count];
        }
    }
}

/* Moves the rearmed descriptors into changes, and returns their number. A filter that is enabled again looks anew whether it is
 * ready. Unlike EV_ADD, that adds none to a direction that is not asked for. */
static inline int poller_kqueue_take_rearmed(poller_t *poller, struct kevent *changes)
{
    const unsigned interest = POLL_READABLE | POLL_EDGE;
    int count = 0;
    for (int i = 0; i < poller->rearmed_count; i++) {
        changes[count++] = poller_kqueue_change(poller->rearmed_fds[i], EVFILT_READ, EV_DISABLE, interest);
        changes[count++] = poller_kqueue_change(poller->rearmed_fds[i], EVFILT_READ, EV_ENABLE, interest);
    }
    poller->rearmed_count = 0;
    return count;
}

/* Errors are ignored: the kernel drops the filters of a closed descriptor by itself. */
static inline void poller_kqueue_remove(poller_t *poller, int fd, int filter)
{
    if (filter == EVFILT_READ) {
        poller_kqueue_drop_rearmed(poller, fd);
    }
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

/* The kernel makes the next edge when something comes. But a read also stops short before an urgent byte, and no event
 * tells of what is behind it. So the next wait asks again about the reading direction. */
static inline void poller_rearm(poller_t *poller, int fd, unsigned directions)
{
    if ((directions & POLL_READABLE) == 0 || !poller->is_open) {
        return;
    }
    if (poller->rearmed_count == POLLER_KQUEUE_REARMED) {
        struct kevent changes[2 * POLLER_KQUEUE_REARMED];
        const int saved_errno = errno;
        for (int i = poller_kqueue_take_rearmed(poller, changes); i > 0; i -= 2) {
            (void)kevent(poller->kqueue_fd, &changes[i - 2], 2, NULL, 0, NULL);
        }
        errno = saved_errno;
    }
    poller->rearmed_fds[poller->rearmed_count++] = fd;
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

/* Whether an event is the end of both directions. EV_EOF of the read filter is the peer's end of sending; that of the write filter
 * is our end of sending, or that nobody reads. For a level these are readable and writable and no more: otherwise the owner of the
 * other direction would be called without cause. fflags has the socket's error, if there is one. */
static inline bool poller_kqueue_is_closed(const struct kevent *event, unsigned interest)
{
    if ((event->flags & EV_EOF) == 0) {
        return false;
    }
    const bool has_no_reader = event->filter == EVFILT_WRITE && (interest & POLL_READABLE) == 0;
    return (interest & POLL_EDGE) != 0 || event->fflags != 0 || has_no_reader;
}

static inline unsigned poller_kqueue_flags(const struct kevent *event)
{
    const unsigned direction = event->filter == EVFILT_WRITE ? POLL_WRITABLE : POLL_READABLE;
    return direction | (poller_kqueue_is_closed(event, (unsigned)(uintptr_t)event->udata) ? POLL_CLOSED : 0);
}

/* Copies what was reported, and returns how many events that is. A rearmed descriptor without a filter is reported as an error. */
static inline int poller_kqueue_copy(const struct kevent *kernel_events, int count, poll_event_t *events)
{
    int copied = 0;
    for (int i = 0; i < count; i++) {
        if (kernel_events[i].flags & EV_ERROR) {
            continue;
        }
        events[copied].fd = (int)kernel_events[i].ident;
        events[copied++].flags = poller_kqueue_flags(&kernel_events[i]);
    }
    return copied;
}

static inline int poller_wait(poller_t *poller, int64_t timeout_ns, poll_event_t *events, int capacity)
{
    struct kevent kernel_events[POLLER_KQUEUE_BATCH], changes[2 * POLLER_KQUEUE_REARMED];
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
    int reported, count, change_count = poller_kqueue_take_rearmed(poller, changes);
    do {
        reported = kevent(poller->kqueue_fd, changes, change_count, kernel_events, capacity, timeout_ns < 0 ? NULL : &timeout);
        count = reported < 0 ? reported : poller_kqueue_copy(kernel_events, reported, events);
        change_count = 0;
    } while (count == 0 && reported > 0);
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
