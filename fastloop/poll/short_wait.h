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
#ifndef FASTLOOP_SHORT_WAIT_H
#define FASTLOOP_SHORT_WAIT_H

#include <stdbool.h>
#include <stdint.h>

enum {
    SHORT_WAIT_US = 14,
    SHORT_WAIT_BRIEF_US = 4,
    SHORT_WAIT_FIRST_PAUSE = 16,
    SHORT_WAIT_LONGEST_PAUSE = 128,
    SHORT_WAIT_LONGEST_BRIEF_PAUSE = 1024,
    /* What is due sooner is waited for exactly. */
    SHORT_WAIT_LEAST_TIMEOUT_NS = 100000,
};

typedef struct {
    int pause;      /* waits until the next attempt */
    int next_pause; /* if that one fails */
    bool is_brief;  /* set by the scheduler */
} short_wait_t;

static inline void short_wait_open(short_wait_t *wait)
{
    wait->pause = wait->next_pause = SHORT_WAIT_FIRST_PAUSE;
    wait->is_brief = false;
}

/* Before each wait: is it to begin with an attempt? timeout_ns as for poller_wait(). */
static inline bool short_wait_is_due(short_wait_t *wait, int64_t timeout_ns)
{
    if (timeout_ns >= 0 && timeout_ns < SHORT_WAIT_LEAST_TIMEOUT_NS) {
        return false;
    }
    if (wait->pause > 0) {
        wait->pause--;
        return false;
    }
    return true;
}

/* How long the attempt may last. */
static inline int short_wait_us(const short_wait_t *wait)
{
    return wait->is_brief ? SHORT_WAIT_BRIEF_US : SHORT_WAIT_US;
}

/* After each attempt: did anything come? */
static inline void short_wait_note(short_wait_t *wait, bool has_come)
{
    const int longest_pause = wait->is_brief ? SHORT_WAIT_LONGEST_BRIEF_PAUSE : SHORT_WAIT_LONGEST_PAUSE;
    if (has_come) {
        wait->next_pause = wait->next_pause > 1 ? wait->next_pause / 2 : 1;
        return;
    }
    wait->pause = wait->next_pause < longest_pause ? wait->next_pause : longest_pause;
    wait->next_pause = 2 * wait->pause < longest_pause ? 2 * wait->pause : longest_pause;
}

#endif
