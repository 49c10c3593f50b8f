/* Busy polling: before the thread goes to sleep, it polls for a few microseconds, because the answer may already be on its way.
 *
 * Owns: how often that was worth it lately.
 * Promises: an attempt takes a few microseconds of CPU time, about as much as going to sleep and being woken takes the
 *   two processes. Where most answers come later, attempts become rare. After each failed attempt twice as many waits
 *   pass without one, up to a limit. Each successful one halves that number.
 * Brief attempts are for a loop that has only events of established TCP connections or of large messages. There an answer takes
 * longer, and busy-polling for it took more CPU time than sleeping: over TCP 7 % more, for a round trip in less than half the time.
 * There are none for a loop that has only events of datagrams which it does not answer: nobody waits for it, and while it sleeps, more
 * of them arrive. A flood of datagrams took 3.1 us of CPU time each with busy polling, and 2.0 us without.
 * Driven by the scheduler, which has the clock and knows what the last events were for.
 */
#ifndef FASTLOOP_BUSY_POLL_H
#define FASTLOOP_BUSY_POLL_H

#include <stdbool.h>
#include <stdint.h>

enum {
    BUSY_POLL_US = 14,
    BUSY_POLL_BRIEF_US = 4,
    BUSY_POLL_FIRST_PAUSE = 16,
    BUSY_POLL_MAX_PAUSE = 128,
    BUSY_POLL_MAX_BRIEF_PAUSE = 1024,
    /* A shorter wait never begins with an attempt, so that it ends on time. */
    BUSY_POLL_MIN_TIMEOUT_NS = 100000,
};

typedef struct {
    int pause;      /* waits until the next attempt */
    int next_pause; /* the pause that follows, if that one fails */
    bool is_brief;  /* set by the scheduler */
    bool is_off;    /* set by the scheduler: no answer is expected */
} busy_poll_t;

static inline void busy_poll_open(busy_poll_t *busy_poll)
{
    busy_poll->pause = busy_poll->next_pause = BUSY_POLL_FIRST_PAUSE;
    busy_poll->is_brief = busy_poll->is_off = false;
}

/* Before each wait: should it begin with an attempt? timeout_ns is the same as for poller_wait(). */
static inline bool busy_poll_is_due(busy_poll_t *busy_poll, int64_t timeout_ns)
{
    if (busy_poll->is_off || (timeout_ns >= 0 && timeout_ns < BUSY_POLL_MIN_TIMEOUT_NS)) {
        return false;
    }
    if (busy_poll->pause > 0) {
        busy_poll->pause--;
        return false;
    }
    return true;
}

/* How long the attempt may last. */
static inline int busy_poll_us(const busy_poll_t *busy_poll)
{
    return busy_poll->is_brief ? BUSY_POLL_BRIEF_US : BUSY_POLL_US;
}

/* After each attempt: did anything come? */
static inline void busy_poll_note(busy_poll_t *busy_poll, bool has_come)
{
    const int max_pause = busy_poll->is_brief ? BUSY_POLL_MAX_BRIEF_PAUSE : BUSY_POLL_MAX_PAUSE;
    if (has_come) {
        busy_poll->next_pause = busy_poll->next_pause > 1 ? busy_poll->next_pause / 2 : 1;
        return;
    }
    busy_poll->pause = busy_poll->next_pause < max_pause ? busy_poll->next_pause : max_pause;
    busy_poll->next_pause = 2 * busy_poll->pause < max_pause ? 2 * busy_poll->pause : max_pause;
}

#endif
