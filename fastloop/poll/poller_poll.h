/* The poller anywhere else: poll(2).
 *
 * Owns: the array that poll(2) reads, the interests parallel to it, and an index from descriptor to slot.
 * Promises: adding, changing and removing are O(1). A wait is O(registrations), as poll(2) itself is.
 * Edges are made here: a direction that was reported rests until poller_rearm(). While it rests, poll(2) is not asked for it.
 * Chosen by poller.h, which holds the contract.
 */
#ifndef FASTLOOP_POLLER_POLL_H
#define FASTLOOP_POLLER_POLL_H

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "timer_slack.h"

/* Linux can report the peer's end of sending. Elsewhere a read finds it. */
#ifdef POLLRDHUP
#define FASTLOOP_POLLRDHUP POLLRDHUP
#else
#define FASTLOOP_POLLRDHUP 0
#endif

enum { POLLER_POLL_MIN_CAPACITY = 64 };

struct poller {
    bool is_open;
    /* What poll(2) reads. Dense: the last entry fills the gap that a removed one leaves. A resting entry holds ~fd, which
     * poll(2) skips because it is negative. */
    struct pollfd *entries;
    unsigned char *interests;
    int count;
    int capacity;
    /* By descriptor: its slot in entries plus 1, or 0.
     * LIMIT: grows with the highest descriptor ever registered (4 bytes each), and shrinks only when the poller is closed. */
    int *slots;
    int slots_size;
    /* Where the next scan starts, so that a short batch does not always serve the same descriptors. */
    int scan_start;
    poll_batch_t last_batch;
};

static inline int poller_open(poller_t *poller)
{
    memset(poller, 0, sizeof(*poller));
    poller->is_open = true;
    return 0;
}

static inline void poller_close(poller_t *poller)
{
    const int saved_errno = errno;
    free(poller->entries);
    free(poller->interests);
    free(poller->slots);
    memset(poller, 0, sizeof(*poller));
    errno = saved_errno;
}

/* ---- The set ---- */

static inline int poller_poll_slot(const poller_t *poller, int fd)
{
    return fd >= 0 && fd < poller->slots_size ? poller->slots[fd] - 1 : -1;
}

static inline int poller_poll_entry_fd(const struct pollfd *entry)
{
    return entry->fd < 0 ? ~entry->fd : entry->fd;
}

static inline int poller_poll_resize(poller_t *poller, int capacity)
{
    struct pollfd *entries = realloc(poller->entries, (size_t)capacity * sizeof(*entries));
    if (entries == NULL) {
        return poll_fail(ENOMEM);
    }
    poller->entries = entries;
    unsigned char *interests = realloc(poller->interests, (size_t)capacity * sizeof(*interests));
    if (interests == NULL) {
        /* The entries may have shrunk already, but never below count. */
        if (capacity < poller->capacity) {
            poller->capacity = capacity;
        }
        return poll_fail(ENOMEM);
    }
    poller->interests = interests;
    poller->capacity = capacity;
    return 0;
}

static inline int poller_poll_index_up_to(poller_t *poller, int fd)
{
    if (fd < poller->slots_size) {
        return 0;
    }
    int64_t size = poller->slots_size < POLLER_POLL_MIN_CAPACITY ? POLLER_POLL_MIN_CAPACITY : poller->slots_size;
    while (size <= fd) {
        size *= 2;
    }
    if (size > INT_MAX) {
        size = INT_MAX;
    }
    int *slots = realloc(poller->slots, (size_t)size * sizeof(*slots));
    if (slots == NULL) {
        return poll_fail(ENOMEM);
    }
    memset(slots + poller->slots_size, 0, (size_t)(size - poller->slots_size) * sizeof(*slots));
    poller->slots = slots;
    poller->slots_size = (int)size;
    return 0;
}

/* Add a descriptor that is not in the set. Returns its slot, or -1 with errno. */
static inline int poller_poll_add(poller_t *poller, int fd)
{
    if (poller_poll_index_up_to(poller, fd) == -1) {
        return -1;
    }
    if (poller->count == poller->capacity) {
        int capacity = poller->capacity == 0 ? POLLER_POLL_MIN_CAPACITY : poller->capacity * 2;
        if (poller_poll_resize(poller, capacity) == -1) {
            return -1;
        }
    }
    poller->slots[fd] = ++poller->count;
    return poller->count - 1;
}

static inline void poller_poll_remove(poller_t *poller, int fd)
{
    const int slot = poller_poll_slot(poller, fd);
    if (slot < 0) {
        return;
    }
    const int last = --poller->count;
    poller->slots[fd] = 0;
    if (slot != last) {
        poller->entries[slot] = poller->entries[last];
        poller->interests[slot] = poller->interests[last];
        poller->slots[poller_poll_entry_fd(&poller->entries[slot])] = slot + 1;
    }
    /* Halved only at a quarter, so that the next addition does not grow it again at once. Keeping the memory if this
     * fails does no harm. */
    if (poller->capacity > POLLER_POLL_MIN_CAPACITY && poller->count < poller->capacity / 4) {
        (void)poller_poll_resize(poller, poller->capacity / 2);
    }
}

/* ---- Interest ---- */

static inline short poller_poll_events(unsigned directions, unsigned interest)
{
    int events = 0;
    if (directions & POLL_READABLE) {
        events |= POLLIN | ((interest & POLL_EDGE) ? FASTLOOP_POLLRDHUP : 0);
    }
    if (directions & POLL_WRITABLE) {
        events |= POLLOUT;
    }
    return (short)events;
}

static inline unsigned poller_poll_flags(short events)
{
    unsigned flags = 0;
    if (events & POLLIN) {
        flags |= POLL_READABLE;
    }
    if (events & POLLOUT) {
        flags |= POLL_WRITABLE;
    }
    if (events & FASTLOOP_POLLRDHUP) {
        flags |= POLL_READABLE | POLL_CLOSED;
    }
    if (events & (POLLERR | POLLHUP | POLLNVAL)) {
        flags |= POLL_CLOSED;
    }
    return flags;
}

static inline int poller_set_interest(poller_t *poller, int fd, unsigned old_interest, unsigned new_interest)
{
    (void)old_interest; /* The set knows it. */
    if (!poller->is_open) {
        return poll_fail(EBADF);
    }
    if (!poll_has_direction(new_interest)) {
        poller_poll_remove(poller, fd);
        return 0;
    }
    /* poll(2) would report a closed descriptor only later, and an arbitrary number must not determine the size of the index. */
    if (fcntl(fd, F_GETFD) == -1) {
        return -1;
    }
    int slot = poller_poll_slot(poller, fd);
    if (slot < 0 && (slot = poller_poll_add(poller, fd)) < 0) {
        return -1;
    }
    poller->entries[slot].fd = fd;
    poller->entries[slot].events = poller_poll_events(new_interest, new_interest);
    poller->entries[slot].revents = 0;
    poller->interests[slot] = (unsigned char)new_interest;
    return 0;
}

static inline void poller_rearm(poller_t *poller, int fd, unsigned directions)
{
    const int slot = poller_poll_slot(poller, fd);
    if (slot >= 0) {
        const unsigned interest = poller->interests[slot];
        struct pollfd *entry = &poller->entries[slot];
        entry->fd = fd;
        entry->events = (short)(entry->events | poller_poll_events(directions & interest, interest));
    }
}

static inline void poller_forget(poller_t *poller, int fd)
{
    const int saved_errno = errno;
    poll_batch_silence(&poller->last_batch, fd);
    poller_poll_remove(poller, fd);
    errno = saved_errno;
}

/* ---- Waiting ---- */

/* Stop asking for what an edge's owner has just been told. poll(2) reports errors and hang-ups even if not asked, so then
 * the whole entry rests. Its owner tries both directions, and rearms what would block. */
static inline void poller_poll_rest(struct pollfd *entry)
{
    const unsigned reported = poller_poll_flags(entry->revents);
    entry->events = (short)(entry->events & ~poller_poll_events(reported, POLL_EDGE));
    if (entry->revents & (POLLERR | POLLHUP)) {
        entry->fd = ~entry->fd;
    }
}

/* Fill the batch and return its length. At most ready entries have something to report. */
static inline int poller_poll_collect(poller_t *poller, int ready, poll_event_t *events, int capacity)
{
    int slot = poller->scan_start < poller->count ? poller->scan_start : 0;
    const int wanted = ready < capacity ? ready : capacity;
    int found = 0;
    for (int step = 0; step < poller->count && found < wanted; step++) {
        struct pollfd *entry = &poller->entries[slot];
        if (entry->revents != 0) {
            events[found].fd = entry->fd;
            events[found].flags = poller_poll_flags(entry->revents);
            found++;
            if (poller->interests[slot] & POLL_EDGE) {
                poller_poll_rest(entry);
            }
        }
        slot = slot + 1 < poller->count ? slot + 1 : 0;
    }
    poller->scan_start = slot;
    return found;
}

/* A closed descriptor (POLLNVAL) would be reported by every poll(2), so it leaves the set with its first report. */
static inline void poller_poll_remove_invalid(poller_t *poller, const poll_event_t *events, int count)
{
    for (int i = 0; i < count; i++) {
        const int slot = poller_poll_slot(poller, events[i].fd);
        if (slot >= 0 && (poller->entries[slot].revents & POLLNVAL)) {
            poller_poll_remove(poller, events[i].fd);
        }
    }
}

static inline int poller_poll_wait(poller_t *poller, int64_t timeout_ns)
{
#ifdef __linux__
    const struct timespec timeout = poll_timeout_to_timespec(timeout_ns < 0 ? 0 : timeout_ns);
    const int slack_ns = timer_slack_narrow(timeout_ns);
    int count = ppoll(poller->entries, (nfds_t)poller->count, timeout_ns < 0 ? NULL : &timeout, NULL);
    timer_slack_restore(slack_ns);
    return count;
#else
    return poll(poller->entries, (nfds_t)poller->count, poll_timeout_to_ms(timeout_ns));
#endif
}

static inline int poller_wait(poller_t *poller, int64_t timeout_ns, poll_event_t *events, int capacity)
{
    poll_batch_end(&poller->last_batch);
    if (!poller->is_open) {
        return poll_fail(EBADF);
    }
    if (capacity <= 0) {
        return poll_fail(EINVAL);
    }
    int count = poller_poll_wait(poller, timeout_ns);
    if (count > 0) {
        count = poller_poll_collect(poller, count, events, capacity);
        poller_poll_remove_invalid(poller, events, count);
        poller->last_batch.events = events;
        poller->last_batch.count = count;
    }
    return count;
}

static inline const char *poller_name(const poller_t *poller)
{
    (void)poller;
    return "poll";
}

#endif
