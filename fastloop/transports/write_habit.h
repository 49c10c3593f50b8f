/* Which writes are worth holding back.
 *
 * A write is sent at once. It is held back only where another one is almost certain to follow within about 50
 * microseconds, so that the headers and the body of an answer take one system call.
 *
 * The same is done with the only write of a protocol's own callback, such as data_received(), if the callback has always
 * returned within 50 microseconds of the write. One echo after the other is then sent from the loop and not from deep inside
 * the interpreter, which saves 5 % of its processor time. 32 callbacks in a row must have shown it, and after a slow one 255.
 *
 * A burst is a row of writes to one transport in one step, each within 50 microseconds of the one before. If the last
 * eight bursts of a transport all had at least n writes, n are expected. The first n - 1 are held back, and all are sent
 * with the nth. A new transport begins with the habit of its protocol's class.
 *
 * Owns: what is known about a transport's bursts, and about a class's.
 * Promises: a single write where more were expected ends the habit. A shorter burst shortens it. Only the first burst of a
 *   step is held back, and nothing after the transport was asked something. Nothing is held back past the end of the step.
 * Driven by: WritingTransport, which also sends what is held back when the step ends.
 */
#ifndef FASTLOOP_WRITE_HABIT_H
#define FASTLOOP_WRITE_HABIT_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

enum {
    WRITE_HABIT_BURSTS = 8,
    WRITE_HABIT_MAX_WRITES = 255,
    WRITE_HABIT_QUICK_RETURNS = 32,
    WRITE_HABIT_QUICK_RETURNS_AGAIN = 255,
    WRITE_BURST_MAX_GAP_US = 50,
    /* Times are in units of 256 ticks. 32 bits of those last a few minutes. */
    WRITE_BURST_TICK_SHIFT = 8,
};

typedef struct {
    uint8_t expected_writes;  /* below 2, nothing is held back */
    uint8_t min_writes;       /* in any of the last bursts */
    uint8_t confirmed_bursts; /* in a row, with at least 2 writes each */
    uint8_t quick_returns;    /* callbacks in a row that returned soon after their only write */
    uint8_t quick_returns_needed;
} write_habit_t;

typedef struct {
    write_habit_t habit;
    uint8_t count;     /* writes of this burst, counted up to WRITE_HABIT_MAX_WRITES */
    uint32_t step;     /* in which it began */
    uint32_t ended_at; /* the last write */
    bool may_hold;     /* the first burst of its step, and the transport was asked nothing */
} write_burst_t;

static inline void write_habit_open(write_habit_t *habit)
{
    habit->expected_writes = habit->confirmed_bursts = habit->quick_returns = 0;
    habit->min_writes = WRITE_HABIT_MAX_WRITES;
    habit->quick_returns_needed = WRITE_HABIT_QUICK_RETURNS;
}

/* A protocol's callback that wrote once has returned. is_soon: soon after the write. */
static inline void write_habit_learn_return(write_habit_t *habit, bool is_soon)
{
    if (!is_soon) {
        habit->quick_returns = 0;
        habit->quick_returns_needed = WRITE_HABIT_QUICK_RETURNS_AGAIN;
    } else if (habit->quick_returns < habit->quick_returns_needed) {
        habit->quick_returns++;
    }
}

/* A burst of count writes is over. */
static inline void write_habit_learn(write_habit_t *habit, uint8_t count)
{
    if (count < 2) {
        habit->expected_writes = habit->confirmed_bursts = 0;
        habit->min_writes = WRITE_HABIT_MAX_WRITES;
        return;
    }
    habit->confirmed_bursts++;
    if (count < habit->min_writes) {
        habit->min_writes = count;
    }
    if (count < habit->expected_writes) {
        habit->expected_writes = count;
    }
    if (habit->confirmed_bursts == WRITE_HABIT_BURSTS) {
        habit->expected_writes = habit->min_writes;
    } else if (habit->confirmed_bursts == 2 * WRITE_HABIT_BURSTS) {
        /* The minimum may have grown since: begin a new one. */
        habit->expected_writes = habit->min_writes;
        habit->min_writes = WRITE_HABIT_MAX_WRITES;
        habit->confirmed_bursts = WRITE_HABIT_BURSTS;
    }
}

static inline uint32_t write_burst_now(void)
{
    return (uint32_t)(clock_ticks() >> WRITE_BURST_TICK_SHIFT);
}

/* HOT. Has the last write ended less than 50 microseconds ago? */
static inline bool write_burst_is_fresh(const write_burst_t *burst)
{
    const uint32_t max_gap = (WRITE_BURST_MAX_GAP_US * CLOCK_TICKS_PER_US) >> WRITE_BURST_TICK_SHIFT;
    return write_burst_now() - burst->ended_at < max_gap;
}

/* HOT. Before a write: does it continue the current burst? */
static inline bool write_burst_continues(const write_burst_t *burst, uint32_t step)
{
    return burst->count > 0 && burst->step == step && write_burst_is_fresh(burst);
}

/* HOT. Count a write that continues the burst, or begins a new one. The burst before must have been learned. */
static inline void write_burst_count(write_burst_t *burst, uint32_t step, bool continues)
{
    if (continues) {
        burst->count += burst->count < WRITE_HABIT_MAX_WRITES;
        return;
    }
    burst->may_hold = burst->step != step;
    burst->step = step;
    burst->count = 1;
}

/* HOT. Is another write of this burst almost certain? */
static inline bool write_burst_expects_more(const write_burst_t *burst)
{
    return burst->may_hold && burst->count < burst->habit.expected_writes;
}

/* HOT. Will the protocol's callback, in which this is the first write, return at once? */
static inline bool write_burst_expects_return(const write_burst_t *burst)
{
    return burst->may_hold && burst->count == 1 && burst->habit.quick_returns == burst->habit.quick_returns_needed;
}

/* ---- The habits of protocol classes: a small table, in which one class may take the place of another. ---- */

enum { WRITE_HABIT_CLASSES = 32 };

typedef struct {
    const void *class; /* compared only */
    write_habit_t habit;
} write_habit_of_class_t;

/* The row of a class. A new row knows nothing. A loop belongs to one thread, and so does the table. */
static inline write_habit_t *write_habit_of_class(const void *class)
{
    static _Thread_local write_habit_of_class_t table[WRITE_HABIT_CLASSES];
    write_habit_of_class_t *row = &table[((uintptr_t)class >> 6) % WRITE_HABIT_CLASSES];
    if (row->class != class) {
        row->class = class;
        write_habit_open(&row->habit);
    }
    return &row->habit;
}

#endif
