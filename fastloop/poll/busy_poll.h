/* Whether to ask the kernel again and again for a few microseconds before the thread goes to sleep: the answer may be on its way.
 *
 * Owns: how often that was worth it lately.
 * Promises: an attempt takes the processor a few microseconds, about what going to sleep and being woken takes the two processes.
 *   Where most answers come later than that, attempts become rare: after each that failed, twice as many waits pass without one,
 *   up to a longest pause, and each that succeeded halves that again.
 * Brief attempts are for a loop that hears only of established TCP connections or large messages: an answer takes longer
 *   there, and to wait for it awake took more processor time than to sleep, over TCP 7 % more for a round trip in less than half the time.
 * Driven by the scheduler, which has the clock and knows what the last events were of.
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
    /* What is due sooner is waited for exactly. */
    BUSY_POLL_MIN_TIMEOUT_NS = 100000,
};

typedef struct {
    int pause;      /* waits until the next attempt */
    int next_pause; /* if that one fails */
    bool is_brief;  /* set by the scheduler */
} busy_poll_t;

static inline void busy_poll_open(busy_poll_t *wait)
{
    wait->pause = wait->next_pause = BUSY_POLL_FIRST_PAUSE;
    wait->is_brief = false;
}

/* Before each wait: is it to begin with an attempt? timeout_ns as for poller_wait(). */
static inline bool busy_poll_is_due(busy_poll_t *wait, int64_t timeout_ns)
{
    if (timeout_ns >= 0 && timeout_ns < BUSY_POLL_MIN_TIMEOUT_NS) {
        return false;
    }
    if (wait->pause > 0) {
        wait->pause--;
        return false;
    }
    return true;
}

/* How long the attempt may last. */
static inline int busy_poll_us(const busy_poll_t *wait)
{
    return wait->is_brief ? BUSY_POLL_BRIEF_US : BUSY_POLL_US;
}

/* After each attempt: did anything come? */
static inline void busy_poll_note(busy_poll_t *wait, bool has_come)
{
    const int longest_pause = wait->is_brief ? BUSY_POLL_MAX_BRIEF_PAUSE : BUSY_POLL_MAX_PAUSE;
    if (has_come) {
        wait->next_pause = wait->next_pause > 1 ? wait->next_pause / 2 : 1;
        return;
    }
    wait->pause = wait->next_pause < longest_pause ? wait->next_pause : longest_pause;
    wait->next_pause = 2 * wait->pause < longest_pause ? 2 * wait->pause : longest_pause;
}

#endif
