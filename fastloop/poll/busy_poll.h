/* Busy polling: before the thread goes to sleep, it polls for a few microseconds, because the answer may already be on its way.
 *
 * Owns: how often that was worth it lately, what it costs, and the limit that the user has set.
 * Promises: an attempt takes a few microseconds of CPU time. Where most answers come later, attempts become rare. After each failed
 *   attempt twice as many waits pass without one, up to a limit. Each successful one halves that number.
 *   Unless the user has set a limit, attempts cost no more CPU time than the sleeps that they save. Processors differ: on an AMD EPYC
 *   going to sleep and waking took longer than the attempt, on an Intel Xeon a message took 9.3 us of CPU time with attempts
 *   where uvloop, without, took 7.1. So the thread's CPU clock is read around a few sleeps and attempts. Where there is no such clock
 *   nothing is attempted, and where attempts cost more than they save, one in a thousand waits is one, to see whether that has changed.
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
#include <time.h>

enum {
    BUSY_POLL_US = 14,
    BUSY_POLL_BRIEF_US = 4,
    BUSY_POLL_FIRST_PAUSE = 16,
    BUSY_POLL_MAX_PAUSE = 128,
    BUSY_POLL_MAX_BRIEF_PAUSE = 1024,
    /* A shorter wait never begins with an attempt, so that it ends on time. */
    BUSY_POLL_MIN_TIMEOUT_NS = 100000,
    /* Instead of the user's limit: the loop measures. */
    BUSY_POLL_MEASURED = -1,
    /* How many sleeps and how many attempts are measured before their averages count. */
    BUSY_POLL_MIN_SAMPLES = 8,
    /* Then one wait of so many is measured, and where attempts pay off, a sleep is measured in place of one of so many. */
    BUSY_POLL_SAMPLE_EVERY = 64,
    BUSY_POLL_SLEEP_EVERY = 256,
    BUSY_POLL_HIT = 1024,
};

/* Averages, in which each sample counts an eighth. */
typedef struct {
    int64_t sleep_ns;   /* of CPU time, for going to sleep and waking */
    int64_t attempt_ns; /* of CPU time, whether anything came or not */
    int64_t hit_share;  /* of attempts, in BUSY_POLL_HIT: something came */
    int sleeps;         /* measured, up to BUSY_POLL_MIN_SAMPLES */
    int attempts;
} busy_poll_cost_t;

typedef struct {
    int pause;      /* waits until the next attempt */
    int next_pause; /* the pause that follows, if that one fails */
    bool is_brief;  /* set by the scheduler */
    bool is_off;    /* set by the scheduler: no answer is expected */
    int limit_us;   /* the user's, or BUSY_POLL_MEASURED */
    busy_poll_cost_t cost;
    int until_sample;
    int until_sleep;
    int64_t began_ns; /* of the wait that is measured now, or 0 */
} busy_poll_t;

static inline void busy_poll_open(busy_poll_t *busy_poll)
{
    const busy_poll_t opened = {
        .pause = BUSY_POLL_FIRST_PAUSE,
        .next_pause = BUSY_POLL_FIRST_PAUSE,
        .limit_us = BUSY_POLL_MEASURED,
        .until_sleep = BUSY_POLL_SLEEP_EVERY,
    };
    *busy_poll = opened;
}

/* ---- what it costs ---- */

/* The thread's CPU time, or 0 if the system does not tell. */
static inline int64_t busy_poll_cpu_ns(void)
{
#ifdef CLOCK_THREAD_CPUTIME_ID
    struct timespec spent;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent) == 0) {
        return (int64_t)spent.tv_sec * 1000000000 + spent.tv_nsec;
    }
#endif
    return 0;
}

static inline bool busy_poll_knows_cost(const busy_poll_t *busy_poll)
{
    return busy_poll->cost.sleeps == BUSY_POLL_MIN_SAMPLES && busy_poll->cost.attempts == BUSY_POLL_MIN_SAMPLES;
}

/* An attempt saves a sleep if something comes. */
static inline bool busy_poll_costs_more(const busy_poll_t *busy_poll)
{
    const busy_poll_cost_t *cost = &busy_poll->cost;
    return busy_poll->limit_us == BUSY_POLL_MEASURED && busy_poll_knows_cost(busy_poll)
           && cost->attempt_ns > cost->sleep_ns * cost->hit_share / BUSY_POLL_HIT;
}

static inline void busy_poll_average(int64_t *average, int64_t sample, int samples)
{
    *average += (sample - *average) / (samples + 1);
}

static inline void busy_poll_note_cost(busy_poll_t *busy_poll, bool was_attempt, bool has_come, int64_t cpu_ns)
{
    busy_poll_cost_t *cost = &busy_poll->cost;
    int *samples = was_attempt ? &cost->attempts : &cost->sleeps;
    if (*samples == BUSY_POLL_MIN_SAMPLES) {
        --*samples;
    }
    if (was_attempt) {
        busy_poll_average(&cost->attempt_ns, cpu_ns, *samples);
        busy_poll_average(&cost->hit_share, has_come ? BUSY_POLL_HIT : 0, *samples);
    } else {
        busy_poll_average(&cost->sleep_ns, cpu_ns, *samples);
    }
    ++*samples;
}

/* ---- whether ---- */

/* Before each wait: should it begin with an attempt? timeout_ns is the same as for poller_wait(). */
static inline bool busy_poll_is_due(busy_poll_t *busy_poll, int64_t timeout_ns)
{
    if (busy_poll->is_off || busy_poll->limit_us == 0 || (timeout_ns >= 0 && timeout_ns < BUSY_POLL_MIN_TIMEOUT_NS)) {
        return false;
    }
    if (busy_poll->pause > 0) {
        busy_poll->pause--;
        return false;
    }
    if (busy_poll->limit_us != BUSY_POLL_MEASURED) {
        return true;
    }
    if (busy_poll->cost.sleeps < BUSY_POLL_MIN_SAMPLES) {
        return false;
    }
    if (--busy_poll->until_sleep > 0) {
        return true;
    }
    busy_poll->until_sleep = BUSY_POLL_SLEEP_EVERY;
    busy_poll->until_sample = 0;
    return false;
}

/* How long the attempt may last. */
static inline int busy_poll_us(const busy_poll_t *busy_poll)
{
    if (busy_poll->limit_us != BUSY_POLL_MEASURED) {
        return busy_poll->limit_us;
    }
    return busy_poll->is_brief ? BUSY_POLL_BRIEF_US : BUSY_POLL_US;
}

/* After each attempt: did anything come? */
static inline void busy_poll_note(busy_poll_t *busy_poll, bool has_come)
{
    const int max_pause = busy_poll->is_brief ? BUSY_POLL_MAX_BRIEF_PAUSE : BUSY_POLL_MAX_PAUSE;
    if (busy_poll_costs_more(busy_poll)) {
        busy_poll->pause = BUSY_POLL_MAX_BRIEF_PAUSE;
        return;
    }
    if (has_come) {
        busy_poll->next_pause = busy_poll->next_pause > 1 ? busy_poll->next_pause / 2 : 1;
        return;
    }
    busy_poll->pause = busy_poll->next_pause < max_pause ? busy_poll->next_pause : max_pause;
    busy_poll->next_pause = 2 * busy_poll->pause < max_pause ? 2 * busy_poll->pause : max_pause;
}

/* ---- measuring ---- */

static inline bool busy_poll_measures(const busy_poll_t *busy_poll, bool is_attempt, int64_t timeout_ns)
{
    if (busy_poll->limit_us != BUSY_POLL_MEASURED || timeout_ns == 0) {
        return false;
    }
    /* An attempt in spite of its cost is there to be measured. */
    return busy_poll->until_sample <= 0
           || (is_attempt && (busy_poll->cost.attempts < BUSY_POLL_MIN_SAMPLES || busy_poll_costs_more(busy_poll)));
}

/* HOT. Around each wait, is_attempt is the answer of busy_poll_is_due(). INVARIANT: no wait is measured yet. */
static inline void busy_poll_begin_wait(busy_poll_t *busy_poll, bool is_attempt, int64_t timeout_ns)
{
    if (--busy_poll->until_sample > 0 && !is_attempt) {
        return;
    }
    if (busy_poll_measures(busy_poll, is_attempt, timeout_ns)) {
        busy_poll->began_ns = busy_poll_cpu_ns();
    } else if (busy_poll->until_sample < 0) {
        busy_poll->until_sample = 0;
    }
}

static inline void busy_poll_end_wait(busy_poll_t *busy_poll, bool is_attempt, bool has_come)
{
    if (busy_poll->began_ns != 0) {
        busy_poll_note_cost(busy_poll, is_attempt, has_come, busy_poll_cpu_ns() - busy_poll->began_ns);
        busy_poll->began_ns = 0;
        busy_poll->until_sample = busy_poll->cost.sleeps < BUSY_POLL_MIN_SAMPLES ? 0 : BUSY_POLL_SAMPLE_EVERY;
    }
}

#endif
