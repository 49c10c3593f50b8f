/* The poller on Linux: epoll(7).
 *
 * Owns: one epoll descriptor. All registrations are in the kernel; nothing here mirrors them.
 * Promises: no allocation, one system call per wait and per change of interest. Waits are exact to the nanosecond where
 *   the kernel has epoll_pwait2 (5.11), otherwise rounded up to the next millisecond.
 * Chosen by poller.h, which holds the contract.
 */
#ifndef FASTLOOP_POLLER_EPOLL_H
#define FASTLOOP_POLLER_EPOLL_H

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "timer_slack.h"

/* The system call is newer than the headers and C libraries that portable wheels are built with (glibc 2.17, musl), so it
 * is called by number. Since Linux 5.1 new calls have one number nearly everywhere. Where the number is not known, waits
 * are in milliseconds. */
#if defined(__NR_epoll_pwait2)
#define FASTLOOP_NR_EPOLL_PWAIT2 __NR_epoll_pwait2
#elif (defined(__x86_64__) && !defined(__ILP32__)) || defined(__i386__) || defined(__aarch64__) || defined(__arm__)                        \
    || defined(__powerpc__) || defined(__s390__) || defined(__riscv)
#define FASTLOOP_NR_EPOLL_PWAIT2 441
#endif

/* How many events one system call may return. They are converted on the stack; more would delay timers. */
enum { POLLER_EPOLL_BATCH = 512 };

struct poller {
    bool is_open;
    int epoll_fd;
    /* The kernel or a seccomp filter has refused epoll_pwait2. It is tried once per poller. */
    bool has_only_milliseconds;
    poll_batch_t last_batch;
};

static inline int poller_open(poller_t *poller)
{
    poll_batch_end(&poller->last_batch);
    poller->has_only_milliseconds = false;
    poller->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    poller->is_open = poller->epoll_fd >= 0;
    return poller->is_open ? 0 : -1;
}

static inline void poller_close(poller_t *poller)
{
    const int saved_errno = errno;
    poll_batch_end(&poller->last_batch);
    if (poller->is_open) {
        poller->is_open = false;
        close(poller->epoll_fd);
        poller->epoll_fd = -1;
    }
    errno = saved_errno;
}

static inline uint32_t poller_epoll_events(unsigned interest)
{
    uint32_t events = 0;
    if (interest & POLL_READABLE) {
        events |= EPOLLIN;
        /* A FIN behind unread data makes no edge of its own, so an owner that stops at a short read must be told. Neither
         * does data behind an urgent byte, where a read stops short. As a level both would be reported in every wait. */
        if (interest & POLL_EDGE) {
            events |= EPOLLRDHUP | EPOLLPRI;
        }
    }
    if (interest & POLL_WRITABLE) {
        events |= EPOLLOUT;
    }
    if (interest & POLL_EDGE) {
        events |= EPOLLET;
    }
    return events;
}

static inline unsigned poller_epoll_flags(uint32_t events)
{
    unsigned flags = 0;
    if (events & EPOLLIN) {
        flags |= POLL_READABLE;
    }
    if (events & EPOLLOUT) {
        flags |= POLL_WRITABLE;
    }
    if (events & EPOLLRDHUP) {
        flags |= POLL_READABLE | POLL_CLOSED;
    }
    if (events & EPOLLPRI) {
        flags |= POLL_READABLE | POLL_CLOSED;
    }
    if (events & (EPOLLERR | EPOLLHUP)) {
        flags |= POLL_CLOSED;
    }
    return flags;
}

static inline int poller_epoll_register(poller_t *poller, int fd, bool is_known, unsigned interest)
{
    struct epoll_event event = {.events = poller_epoll_events(interest), .data = {.fd = fd}};
    int operation = is_known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(poller->epoll_fd, operation, fd, &event) == 0) {
        return 0;
    }
    /* The kernel knows better. It dropped a registration when the descriptor was closed behind our back (ENOENT), or it
     * still has one that the owner thought gone (EEXIST). */
    if (operation == EPOLL_CTL_MOD && errno == ENOENT) {
        return epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, fd, &event);
    }
    if (operation == EPOLL_CTL_ADD && errno == EEXIST) {
        return epoll_ctl(poller->epoll_fd, EPOLL_CTL_MOD, fd, &event);
    }
    return -1;
}

static inline int poller_epoll_remove(poller_t *poller, int fd)
{
    if (epoll_ctl(poller->epoll_fd, EPOLL_CTL_DEL, fd, NULL) == 0) {
        return 0;
    }
    /* The descriptor was closed, closed and reused, or closed and reused for a regular file. */
    return errno == EBADF || errno == ENOENT || errno == EPERM ? 0 : -1;
}

static inline int poller_set_interest(poller_t *poller, int fd, unsigned old_interest, unsigned new_interest)
{
    const bool is_known = poll_has_direction(old_interest);
    if (!poller->is_open) {
        return poll_fail(EBADF);
    }
    if (poll_has_direction(new_interest)) {
        return poller_epoll_register(poller, fd, is_known, new_interest);
    }
    return is_known ? poller_epoll_remove(poller, fd) : 0;
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
        (void)poller_epoll_remove(poller, fd);
    }
    errno = saved_errno;
}

#ifdef FASTLOOP_NR_EPOLL_PWAIT2
/* Returns -1 with ENOSYS (old kernel) or EPERM (seccomp) if this call is not available. */
static inline int poller_epoll_pwait2(poller_t *poller, int64_t timeout_ns, struct epoll_event *events, int capacity)
{
    /* The kernel's own timespec: both fields have 64 bits everywhere, whatever the C library calls time_t. */
    struct {
        int64_t tv_sec;
        int64_t tv_nsec;
    } timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    return (int)syscall(FASTLOOP_NR_EPOLL_PWAIT2, poller->epoll_fd, events, capacity, &timeout, NULL, (size_t)0);
}
#endif

/* HOT. The C library's function is a cancellation point: with a second thread in the process it takes two more calls and two atomic
 * operations. The thread sanitizer knows only that function. */
#if defined(__SANITIZE_THREAD__)
#define POLLER_IS_SANITIZED 1
#elif defined(__has_feature)
#define POLLER_IS_SANITIZED __has_feature(thread_sanitizer)
#else
#define POLLER_IS_SANITIZED 0
#endif

static inline int poller_epoll_wait_ms(poller_t *poller, int timeout_ms, struct epoll_event *events, int capacity)
{
#if defined(SYS_epoll_wait) && !POLLER_IS_SANITIZED
    return (int)syscall(SYS_epoll_wait, poller->epoll_fd, events, capacity, timeout_ms);
#elif defined(SYS_epoll_pwait) && !POLLER_IS_SANITIZED
    return (int)syscall(SYS_epoll_pwait, poller->epoll_fd, events, capacity, timeout_ms, NULL, (size_t)0);
#else
    return epoll_wait(poller->epoll_fd, events, capacity, timeout_ms);
#endif
}

static inline int poller_epoll_wait(poller_t *poller, int64_t timeout_ns, struct epoll_event *events, int capacity)
{
#ifdef FASTLOOP_NR_EPOLL_PWAIT2
    /* "Now" and "forever" need no fractions, so they never pay for a refused call. */
    if (timeout_ns > 0 && !poller->has_only_milliseconds) {
        const int slack_ns = timer_slack_narrow(timeout_ns);
        int count = poller_epoll_pwait2(poller, timeout_ns, events, capacity);
        timer_slack_restore(slack_ns);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM)) {
            return count;
        }
        poller->has_only_milliseconds = true;
    }
#endif
    return poller_epoll_wait_ms(poller, poll_timeout_to_ms(timeout_ns), events, capacity);
}

static inline int poller_wait(poller_t *poller, int64_t timeout_ns, poll_event_t *events, int capacity)
{
    struct epoll_event kernel_events[POLLER_EPOLL_BATCH];
    poll_batch_end(&poller->last_batch);
    if (!poller->is_open) {
        return poll_fail(EBADF);
    }
    if (capacity > POLLER_EPOLL_BATCH) {
        capacity = POLLER_EPOLL_BATCH;
    }
    int count = poller_epoll_wait(poller, timeout_ns, kernel_events, capacity);
    for (int i = 0; i < count; i++) {
        events[i].fd = kernel_events[i].data.fd;
        events[i].flags = poller_epoll_flags(kernel_events[i].events);
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
    return "epoll";
}

#endif
