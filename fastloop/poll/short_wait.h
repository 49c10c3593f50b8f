/* Whether to ask the kernel again and again for some microseconds before the thread goes to sleep: the answer may be on its way.
 *
 * Owns: how often that was worth it lately.
 * Promises: an attempt takes the processor a few microseconds, about what going to sleep and being woken does. Where most answers come later than
 *   that, attempts become rare: after each that failed, twice as many waits pass without one, up to SHORT_WAIT_LONGEST_PAUSE, and
 *   each that succeeded halves that again.
 * Driven by the scheduler, which has the clock.
 */
#ifndef FASTLOOP_SHORT_WAIT_H
#define FASTLOOP_SHORT_WAIT_H

#include <stdbool.h>
#include <stdint.h>

enum {
    SHORT_WAIT_US = 4,
    SHORT_WAIT_FIRST_PAUSE = 16,
    SHORT_WAIT_LONGEST_PAUSE = 1024,
    /* What is due sooner is waited for exactly. */
    SHORT_WAIT_LEAST_TIMEOUT_NS = 100000,
};

typedef struct {
    int pause;      /* waits until the next attempt */
    int next_pause; /* if that one fails */
} short_wait_t;

static inline void short_wait_open(short_wait_t *wait)
{
    wait->pause = wait->next_pause = SHORT_WAIT_FIRST_PAUSE;
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

/* After each attempt: did anything come? */
static inline void short_wait_note(short_wait_t *wait, bool has_come)
{
    if (has_come) {
        wait->next_pause = wait->next_pause > 1 ? wait->next_pause / 2 : 1;
        return;
    }
    wait->pause = wait->next_pause;
    wait->next_pause *= 2;
    if (wait->next_pause > SHORT_WAIT_LONGEST_PAUSE) {
        wait->next_pause = SHORT_WAIT_LONGEST_PAUSE;
    }
}

#endif
