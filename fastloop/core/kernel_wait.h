/* One wait for the kernel. It may begin with polling for a few microseconds (busy_poll.h), and the loop then does not sleep in it.
 *
 * Owns: nothing.
 * Promises: what it changes belongs to the loop's thread alone, so no other thread needs to be held off. Others may read the counts.
 * Driven by: the scheduler, without the GIL.
 */
#ifndef FASTLOOP_KERNEL_WAIT_H
#define FASTLOOP_KERNEL_WAIT_H

#include "poller.h"

#include "busy_poll.h"
#include "clock.h"
#include "loop_counters.h"

typedef struct {
    int count; /* of events, or -1 with the error */
    int error; /* errno */
} kernel_wait_t;

/* If nothing comes, it ends with 0 events after busy_poll_us(). Returns their number, or -1 with errno. */
static inline int kernel_wait_busily(
    poller_t *poller, busy_poll_t *busy_poll, loop_counters_t *counters, poll_event_t *events, int capacity)
{
    const uint64_t limit = (uint64_t)busy_poll_us(busy_poll) * CLOCK_TICKS_PER_US;
    const uint64_t began = clock_ticks();
    int count = 0;
    loop_counter_add(&counters->busy_polls, 1);
    while (count == 0 && clock_ticks() - began < limit) {
        loop_counter_add(&counters->polls, 1);
        count = poller_wait(poller, 0, events, capacity);
    }
    loop_counter_add(&counters->busy_poll_hits, count > 0);
    busy_poll_note(busy_poll, count != 0);
    return count;
}

/* timeout_ns: as for poller_wait(). */
static inline kernel_wait_t kernel_wait(
    poller_t *poller, busy_poll_t *busy_poll, loop_counters_t *counters, int64_t timeout_ns, poll_event_t *events, int capacity)
{
    kernel_wait_t wait;
    const bool is_attempt = busy_poll_is_due(busy_poll, timeout_ns);
    busy_poll_begin_wait(busy_poll, is_attempt, timeout_ns);
    if (is_attempt) {
        /* If nothing comes, return with 0 events instead of sleeping here: a signal that arrived in between must be handled first, since
         * it can no longer interrupt the sleep. The next turn sleeps. */
        wait.count = kernel_wait_busily(poller, busy_poll, counters, events, capacity);
    } else {
        loop_counter_add(&counters->polls, 1);
        wait.count = poller_wait(poller, timeout_ns, events, capacity);
    }
    wait.error = errno;
    busy_poll_end_wait(busy_poll, is_attempt, wait.count > 0);
    return wait;
}

#endif
