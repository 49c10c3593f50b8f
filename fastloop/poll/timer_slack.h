/* A short wait that ends on time. Linux may end a wait late by the thread's timer slack, usually 50 microseconds, to save
 * interrupts.
 *
 * Promises: a short wait ends within a microsecond of its time, plus the time that it takes to wake a thread.
 * Owns: nothing. The thread's setting is restored when the wait is over, so a thread or process that a callback starts
 *   never inherits another one.
 * Driven by the backends, around their wait. Does nothing on other systems.
 */
#ifndef FASTLOOP_TIMER_SLACK_H
#define FASTLOOP_TIMER_SLACK_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __linux__

#include <errno.h>
#include <sys/prctl.h>

enum {
    /* Above this the usual slack is less than one percent of the wait, and not worth three system calls. */
    TIMER_SLACK_MATTERS_BELOW_NS = 5000000,
    TIMER_SLACK_MIN_NS = 1,
};

/* Returns what timer_slack_restore() needs. */
static inline int timer_slack_narrow(int64_t timeout_ns)
{
    if (timeout_ns <= 0 || timeout_ns >= TIMER_SLACK_MATTERS_BELOW_NS) {
        return 0;
    }
    const int slack_ns = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
    if (slack_ns <= TIMER_SLACK_MIN_NS || prctl(PR_SET_TIMERSLACK, TIMER_SLACK_MIN_NS, 0, 0, 0) < 0) {
        return 0;
    }
    return slack_ns;
}

/* Preserves errno, which belongs to the wait. */
static inline void timer_slack_restore(int slack_ns)
{
    if (slack_ns > 0) {
        const int saved_errno = errno;
        (void)prctl(PR_SET_TIMERSLACK, slack_ns, 0, 0, 0);
        errno = saved_errno;
    }
}

#else

static inline int timer_slack_narrow(int64_t timeout_ns)
{
    (void)timeout_ns;
    return 0;
}

static inline void timer_slack_restore(int slack_ns)
{
    (void)slack_ns;
}

#endif

#endif
