/* Which writes are worth holding back.
 *
 * A write leaves at once. Only where a second one follows as good as certainly, within some 50 microseconds, is the first held
 * back for it, so that the headers and the body of an answer are one system call.
 *
 * The same is done with the only write of a protocol's own callback, such as data_received(), if that always returned within 50
 * microseconds of it: one echo after the other then leaves from the loop, not from the depth of the interpreter, which is 5 % of
 * its processor time. 32 callbacks in a row must have shown it, and after a slow one 255.
 *
 * A burst is a row of writes to one transport in one step, each within 50 microseconds of the one before. If the last eight bursts of
 * a transport all had at least n writes, n of them are expected: the first n - 1 are held back, and all leave with the nth. A
 * new transport begins with what the others of its protocol's class have done.
 *
 * Owns: what is known of a transport's bursts, and of a class's.
 * Promises: one single write where more were expected ends the habit, a shorter burst shortens it. Only the first burst of a step is
 *   held back, and nothing after the transport was asked something. Nothing is held back past the end of the step.
 * Driven by: OutputTransport, which also sends what is held back when the step ends.
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
    /* Time is kept in units of 256 ticks, which fit into 32 bits for some minutes. */
    WRITE_BURST_TICK_SHIFT = 8,
};

typedef struct {
    uint8_t expected;  /* writes; below 2: nothing is held back */
    uint8_t least;     /* that any of the last bursts had */
    uint8_t confirmed; /* bursts in a row that had at least 2 */
    uint8_t quick;     /* callbacks in a row that returned soon after their only write, up to quick_needed */
    uint8_t quick_needed;
} write_habit_t;

typedef struct {
    write_habit_t habit;
    uint8_t count;     /* writes of this burst, up to WRITE_HABIT_MAX_WRITES */
    uint32_t step;     /* in which it began */
    uint32_t ended_at; /* the last write */
    bool may_hold;     /* it is the first one of its step, and nothing was asked */
} write_burst_t;

static inline void write_habit_open(write_habit_t *habit)
{
    habit->expected = habit->confirmed = habit->quick = 0;
    habit->least = WRITE_HABIT_MAX_WRITES;
    habit->quick_needed = WRITE_HABIT_QUICK_RETURNS;
}

/* A protocol's callback that has written once has returned, soon after it or not. */
static inline void write_habit_learn_return(write_habit_t *habit, bool is_soon)
{
    if (!is_soon) {
        habit->quick = 0;
        habit->quick_needed = WRITE_HABIT_QUICK_RETURNS_AGAIN;
    } else if (habit->quick < habit->quick_needed) {
        habit->quick++;
    }
}

/* A burst of count writes is over. */
static inline void write_habit_learn(write_habit_t *habit, uint8_t count)
{
    if (count < 2) {
        habit->expected = habit->confirmed = 0;
        habit->least = WRITE_HABIT_MAX_WRITES;
        return;
    }
    habit->confirmed++;
    if (count < habit->least) {
        habit->least = count;
    }
    if (count < habit->expected) {
        habit->expected = count;
    }
    if (habit->confirmed == WRITE_HABIT_BURSTS) {
        habit->expected = habit->least;
    } else if (habit->confirmed == 2 * WRITE_HABIT_BURSTS) {
        /* What was least long ago may be more by now. */
        habit->expected = habit->least;
        habit->least = WRITE_HABIT_MAX_WRITES;
        habit->confirmed = WRITE_HABIT_BURSTS;
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

/* HOT. Before a write: does it belong to the burst at hand? */
static inline bool write_burst_goes_on(const write_burst_t *burst, uint32_t step)
{
    return burst->count > 0 && burst->step == step && write_burst_is_fresh(burst);
}

/* HOT. A write that continues the burst, or begins one. The one before must have been learned. */
static inline void write_burst_count(write_burst_t *burst, uint32_t step, bool goes_on)
{
    if (goes_on) {
        burst->count += burst->count < WRITE_HABIT_MAX_WRITES;
        return;
    }
    burst->may_hold = burst->step != step;
    burst->step = step;
    burst->count = 1;
}

/* HOT. Is another write of this burst as good as certain? */
static inline bool write_burst_expects_more(const write_burst_t *burst)
{
    return burst->may_hold && burst->count < burst->habit.expected;
}

/* HOT. Will the protocol's callback, in which this is the first write, return at once? */
static inline bool write_burst_expects_return(const write_burst_t *burst)
{
    return burst->may_hold && burst->count == 1 && burst->habit.quick == burst->habit.quick_needed;
}

/* ---- What the classes of protocols do: a small table, in which a class may take the place of another. ---- */

enum { WRITE_HABIT_CLASSES = 32 };

typedef struct {
    const void *class; /* compared only */
    write_habit_t habit;
} write_habit_of_class_t;

/* The row of a class; a new one knows nothing. A loop belongs to one thread, and so does the table. */
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
