/* What poller_kqueue.h uses of kqueue(2), over epoll, so that the kqueue backend's tests also run on Linux.
 *
 * A kqueue is an epoll instance and nothing else: extension modules share no variables, so all that is known of a filter is in
 * the kernel's record of the descriptor. /proc shows those records. That is exact, but slow with thousands of descriptors, and needs a
 * free one.
 * Differs from kqueue(2): a change of one filter reports the other edge of the descriptor again, and a forked child keeps the kqueue.
 */
#ifndef KQUEUE_EMULATION_SYS_EVENT_H
#define KQUEUE_EMULATION_SYS_EVENT_H

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

enum { EVFILT_READ = -1, EVFILT_WRITE = -2 };
enum { EV_ADD = 1, EV_DELETE = 2, EV_ENABLE = 4, EV_DISABLE = 8, EV_CLEAR = 0x20, EV_ERROR = 0x4000, EV_EOF = 0x8000 };

struct kevent {
    uintptr_t ident;
    int16_t filter;
    uint16_t flags;
    uint32_t fflags;
    intptr_t data;
    void *udata;
};

#define EV_SET(event, ...) (*(event) = (struct kevent){__VA_ARGS__})

/* The record of a descriptor, as epoll_event.data holds it. A number that now belongs to another file has another inode. */
typedef union {
    uint64_t bits;
    struct {
        uint32_t fd;
        unsigned inode : 16, read : 1, write : 1, is_edge : 1, writes_first : 1, read_udata : 4, write_udata : 4;
    };
} kqueue_record_t;

static inline bool kqueue_inode(int fd, kqueue_record_t *record, mode_t *mode)
{
    struct stat status;
    if (fstat(fd, &status) == -1) {
        return false;
    }
    record->inode = status.st_ino & 0xffff;
    *mode = status.st_mode;
    return true;
}

/* Finds the record of fd. One that is not there, or is another file's, comes back without filters. */
static inline int kqueue_find(int kq, int fd, kqueue_record_t *record)
{
    char path[64], line[256];
    mode_t mode;
    kqueue_record_t present = {.fd = (uint32_t)fd};
    if (!kqueue_inode(fd, &present, &mode)) {
        errno = EBADF;
        return -1;
    }
    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", kq);
    FILE *records = fopen(path, "re");
    if (records == NULL) {
        return -1;
    }
    *record = present;
    while (fgets(line, sizeof(line), records) != NULL) {
        kqueue_record_t found;
        if (sscanf(line, "tfd: %*d events: %*x data: %" SCNx64, &found.bits) == 1 && found.fd == present.fd
            && found.inode == present.inode) {
            *record = found;
        }
    }
    fclose(records);
    return 0;
}

static inline int kqueue_store(int kq, kqueue_record_t record)
{
    struct epoll_event event = {.data.u64 = record.bits};
    event.events = (record.read ? EPOLLIN | EPOLLRDHUP : 0U) | (record.write ? EPOLLOUT : 0U) | (record.is_edge ? EPOLLET : 0U);
    if (!record.read && !record.write) {
        return epoll_ctl(kq, EPOLL_CTL_DEL, (int)record.fd, NULL);
    }
    const int status = epoll_ctl(kq, EPOLL_CTL_ADD, (int)record.fd, &event);
    return status == -1 && errno == EEXIST ? epoll_ctl(kq, EPOLL_CTL_MOD, (int)record.fd, &event) : status;
}

static inline int kqueue_change(int kq, const struct kevent *change)
{
    kqueue_record_t record;
    if (kqueue_find(kq, (int)change->ident, &record) == -1) {
        return -1;
    }
    const bool is_read = change->filter == EVFILT_READ;
    if (!(change->flags & EV_ADD) && !(is_read ? record.read : record.write)) {
        errno = ENOENT;
        return -1;
    }
    if (is_read) {
        record.read = !(change->flags & EV_DELETE);
        record.read_udata = (uintptr_t)change->udata & 15;
    } else {
        record.write = !(change->flags & EV_DELETE);
        record.write_udata = (uintptr_t)change->udata & 15;
    }
    if (change->flags & EV_ADD) {
        record.is_edge = (change->flags & EV_CLEAR) != 0;
    }
    return kqueue_store(kq, record);
}

/* After shutdown(SHUT_WR) a filter for writing is always ready. Only an attempt to send nothing shows that on Linux. */
static inline bool kqueue_has_ended_sending(int fd)
{
    int type = 0;
    socklen_t size = sizeof(type);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM
           && send(fd, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL) == -1 && errno == EPIPE;
}

/* The events of one record, at most two. */
static inline int kqueue_report(const struct epoll_event *ready, struct kevent *events)
{
    kqueue_record_t record = {.bits = ready->data.u64}, now = {.bits = 0};
    mode_t mode;
    int count = 0;
    if (!kqueue_inode((int)record.fd, &now, &mode) || now.inode != record.inode) {
        return 0;
    }
    const bool has_failed = (ready->events & EPOLLERR) != 0, is_end = (ready->events & (EPOLLERR | EPOLLHUP)) != 0;
    const uint32_t error = has_failed && S_ISSOCK(mode) ? ECONNRESET : 0;
    if (record.read && (is_end || (ready->events & (EPOLLIN | EPOLLRDHUP)))) {
        const uint16_t end = is_end || (ready->events & EPOLLRDHUP) ? EV_EOF : 0;
        EV_SET(&events[count++], record.fd, EVFILT_READ, end, error, 0, (void *)(uintptr_t)record.read_udata);
    }
    if (record.write && (is_end || (ready->events & EPOLLOUT))) {
        const uint16_t end = is_end || kqueue_has_ended_sending((int)record.fd) ? EV_EOF : 0;
        EV_SET(&events[count++], record.fd, EVFILT_WRITE, end, error, 0, (void *)(uintptr_t)record.write_udata);
    }
    return count;
}

/* Puts one event among the others. kqueue(2) reports a filter once in a batch, so the second report of one adds to the first.
 * Returns whether there was room. */
static inline bool kqueue_put(struct kevent *events, int *count, int room, const struct kevent *event)
{
    for (int i = 0; i < *count; i++) {
        if (events[i].ident == event->ident && events[i].filter == event->filter) {
            events[i].flags |= event->flags;
            events[i].fflags |= event->fflags;
            return true;
        }
    }
    if (*count == room) {
        return false;
    }
    events[(*count)++] = *event;
    return true;
}

/* Reports one record. If there is no room for all of it, the record is stored again, which repeats the edge. If that is one of two
 * events, it comes first then. */
static inline void kqueue_report_into(int kq, const struct epoll_event *ready, struct kevent *events, int *count, int room)
{
    struct kevent both[2];
    kqueue_record_t record = {.bits = ready->data.u64};
    const int found = kqueue_report(ready, both);
    const int first = found == 2 && record.writes_first;
    for (int i = 0; i < found; i++) {
        if (!kqueue_put(events, count, room, &both[first ^ i])) {
            record.writes_first ^= (unsigned)i;
            kqueue_store(kq, record);
            return;
        }
    }
}

/* Asks until there is no room or nothing new: epoll reports a level again as soon as it has reported all the others. */
static inline int kqueue_collect(int kq, struct kevent *events, int room)
{
    struct epoll_event ready[64];
    int count = 0, known_count, asked, ready_count;
    do {
        known_count = count;
        asked = room - count < 64 ? room - count : 64;
        ready_count = epoll_wait(kq, ready, asked, 0);
        for (int i = 0; i < ready_count; i++) {
            kqueue_report_into(kq, &ready[i], events, &count, room);
        }
    } while (ready_count == asked && count > known_count && count < room);
    return ready_count < 0 && count == 0 ? -1 : count;
}

static inline struct timespec kqueue_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now;
}

/* What is left of timeout. Returns whether that is anything. */
static inline bool kqueue_left(const struct timespec *began, const struct timespec *timeout, struct timespec *left)
{
    const struct timespec now = kqueue_now();
    const int64_t passed_ns = (int64_t)(now.tv_sec - began->tv_sec) * 1000000000 + now.tv_nsec - began->tv_nsec;
    const int64_t left_ns = (int64_t)timeout->tv_sec * 1000000000 + timeout->tv_nsec - passed_ns;
    left->tv_sec = left_ns > 0 ? (time_t)(left_ns / 1000000000) : 0;
    left->tv_nsec = left_ns > 0 ? (long)(left_ns % 1000000000) : 0;
    return left_ns > 0;
}

static inline int kqueue_wait(int kq, struct kevent *events, int room, const struct timespec *timeout)
{
    const struct timespec began = kqueue_now();
    for (;;) {
        struct timespec left = {0, 0};
        struct pollfd readable = {.fd = kq, .events = POLLIN};
        const bool may_wait = timeout == NULL || kqueue_left(&began, timeout, &left);
        if (ppoll(&readable, 1, timeout == NULL ? NULL : &left, NULL) == -1) {
            return -1;
        }
        const int count = kqueue_collect(kq, events, room);
        if (count != 0 || !may_wait) {
            return count;
        }
    }
}

static inline int kqueue(void)
{
    return epoll_create1(0);
}

/* Without room for events the first error ends it. Otherwise errors are reported as events, and nothing is waited for. */
static inline int kevent(
    int kq, const struct kevent *changes, int change_count, struct kevent *events, int room, const struct timespec *timeout)
{
    int failed = 0;
    for (int i = 0; i < change_count; i++) {
        if (kqueue_change(kq, &changes[i]) == 0) {
            continue;
        }
        if (failed == room) {
            return -1;
        }
        EV_SET(&events[failed++], changes[i].ident, changes[i].filter, EV_ERROR, 0, errno, changes[i].udata);
    }
    return failed > 0 || room == 0 ? failed : kqueue_wait(kq, events, room, timeout);
}

#endif
