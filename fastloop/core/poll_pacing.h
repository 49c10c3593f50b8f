/* When to poll the kernel while callbacks are ready.
 *
 * asyncio polls in every turn, and libraries rely on it: a written byte has arrived after a few turns of sleep(0). So
 * fastloop does too, except in a storm. A storm begins after 64 turns in a row without an event, if the program has given
 * the kernel nothing to do in between. Then 2, 4 and up to 64 turns pass between two polls, but never more than 100
 * microseconds. If other threads exist, the limit is 2 microseconds: each poll is their chance to get the GIL, and
 * asyncio gives them one about that often.
 *
 * Owns: how long nothing has happened.
 * Promises: anything that may cause an event (a write, a new watcher, work for an executor) ends the storm at once.
 * Driven by: the scheduler in each turn, and everything that uses the kernel, through poll_pacing_end_storm().
 */
#ifndef FASTLOOP_POLL_PACING_H
#define FASTLOOP_POLL_PACING_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

enum {
    POLL_PACING_MIN_QUIET_TURNS = 64,
    POLL_PACING_MAX_TURNS = 64,
    POLL_PACING_MAX_US = 100,
    POLL_PACING_MAX_US_WITH_THREADS = 2,
    /* In a storm the ticks are read at least this often, and in every turn if turns are long. */
    POLL_PACING_MAX_TURNS_BETWEEN_LOOKS = 8,
    POLL_PACING_MIN_LONG_TURN_US = 5,
};

typedef struct {
    int quiet_turns;         /* polls without an event, up to POLL_PACING_MIN_QUIET_TURNS */
    int turns_between_polls; /* 1 outside of a storm */
    int turns_since_poll;    /* as of the last look */
    int turns_until_look;    /* HOT: counted down in every turn */
    int turns_between_looks;
    bool turns_are_long;
    bool has_threads; /* as of the last poll */
    uint64_t polled_ticks;
    uint64_t looked_ticks;
} poll_pacing_t;

/* HOT. Poll in the next turn, and in every turn after it until the next storm. */
static inline void poll_pacing_end_storm(poll_pacing_t *pacing)
{
    pacing->quiet_turns = 0;
    pacing->turns_between_polls = pacing->turns_until_look = 1;
}

static inline void poll_pacing_plan_look(poll_pacing_t *pacing, uint64_t ticks)
{
    pacing->looked_ticks = ticks;
    pacing->turns_between_looks = POLL_PACING_MAX_TURNS_BETWEEN_LOOKS;
    if (pacing->turns_are_long) {
        pacing->turns_between_looks = 1;
    } else if (pacing->turns_between_polls < POLL_PACING_MAX_TURNS_BETWEEN_LOOKS) {
        pacing->turns_between_looks = pacing->turns_between_polls;
    }
    pacing->turns_until_look = pacing->turns_between_looks;
}

/* Nothing is watched that the next turn does not look at by itself: it need not poll, unless the program does something first
 * that may cause an event. */
static inline void poll_pacing_skip_turn(poll_pacing_t *pacing)
{
    if (pacing->turns_between_polls == 1) {
        pacing->turns_until_look = 2;
    }
}

/* Reads the ticks. Returns whether a poll is due. */
static inline bool poll_pacing_look(poll_pacing_t *pacing)
{
    if (pacing->turns_between_polls == 1) {
        return true;
    }
    const uint64_t ticks = clock_ticks();
    const uint64_t long_turns = (uint64_t)pacing->turns_between_looks * POLL_PACING_MIN_LONG_TURN_US * CLOCK_TICKS_PER_US;
    const uint64_t max_us = pacing->has_threads ? POLL_PACING_MAX_US_WITH_THREADS : POLL_PACING_MAX_US;
    pacing->turns_since_poll += pacing->turns_between_looks;
    pacing->turns_are_long = ticks - pacing->looked_ticks > long_turns;
    poll_pacing_plan_look(pacing, ticks);
    return pacing->turns_since_poll >= pacing->turns_between_polls || ticks - pacing->polled_ticks >= max_us * CLOCK_TICKS_PER_US;
}

/* HOT. Call it in every turn in which callbacks are ready. Returns whether a poll is due. */
static inline bool poll_pacing_is_due(poll_pacing_t *pacing)
{
    return --pacing->turns_until_look <= 0 && poll_pacing_look(pacing);
}

/* Call it after each poll. */
static inline void poll_pacing_note(poll_pacing_t *pacing, bool has_events, bool has_threads)
{
    pacing->has_threads = has_threads;
    if (has_events) {
        poll_pacing_end_storm(pacing);
        return;
    }
    if (pacing->quiet_turns < POLL_PACING_MIN_QUIET_TURNS) {
        pacing->quiet_turns++;
        pacing->turns_until_look = 1;
        return;
    }
    if (pacing->turns_between_polls < POLL_PACING_MAX_TURNS) {
        pacing->turns_between_polls *= 2;
    }
    pacing->turns_since_poll = 0;
    pacing->polled_ticks = clock_ticks();
    poll_pacing_plan_look(pacing, pacing->polled_ticks);
}

#endif
