/* What a loop has done so far: the numbers behind loop.statistics(), and how its longest callback is found.
 *
 * Owns: the counts. What the loop knows anyway (timers, watchers, tasks) is not counted.
 * Promises: a count only grows. A reset remembers where it stood (reading_counters.pyx), and writes nothing that the loop counts.
 *   Counting costs one instruction for each callback and a few for each turn.
 * Thread rule: the loop's thread writes, any thread may read with loop_counter_get(). Any thread may also close
 *   a transport, in its destructor, and reset the records.
 *
 * The longest callback. Reading the clock around each callback would cost more than the callback itself may. So callbacks run in
 * blocks, and the clock's ticks are read at the end of each one. A block is one callback while callbacks take several microseconds,
 * as most Python code does: the longest one is then known exactly. It is up to 64 callbacks while they are so short
 * that a block takes less than 3 microseconds. A block that took long earns narrow ones, one for every 3 microseconds, up to
 * 10 milliseconds: what blocks the loop again is then named.
 */
#ifndef FASTLOOP_LOOP_COUNTERS_H
#define FASTLOOP_LOOP_COUNTERS_H

#include <Python.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"

enum {
    LOOP_BLOCK_MAX = 64,
    /* A shorter block lets the next one be twice as long. Also what each narrow block spends of what a long one has earned. */
    LOOP_BLOCK_SHORT_TICKS = 3 * CLOCK_TICKS_PER_US,
    LOOP_BLOCK_LONG_TICKS = 6 * CLOCK_TICKS_PER_US,
    LOOP_BLOCK_MAX_NARROW_TICKS = 10000 * CLOCK_TICKS_PER_US,
};

typedef uint64_t loop_counter_t;

typedef struct {
    loop_counter_t turns;
    loop_counter_t steps;      /* callbacks and task steps that have started */
    loop_counter_t task_steps; /* those of them that resumed a task */
    loop_counter_t polls;      /* questions to the kernel */
    loop_counter_t events;
    loop_counter_t busy_polls;
    loop_counter_t busy_poll_hits;
    loop_counter_t bytes_received;
    loop_counter_t bytes_sent;
    loop_counter_t transports_opened;
    loop_counter_t transports_closed;
    loop_counter_t most_ready;
    /* Ticks until now, and whether a sleep lasts. It began with block_began_ticks. */
    loop_counter_t asleep_ticks;
    loop_counter_t is_asleep;
    /* Nanoseconds inside run_forever() until now, and when the run began that lasts; 0 while the loop does not run. */
    loop_counter_t run_ns;
    loop_counter_t run_began_ns;
    /* When the loop was made, in both units: their ratio is what a tick is worth. */
    uint64_t made_ticks;
    int64_t made_ns;
    /* What the loop knows anyway, for other threads, in builds where they may not look themselves. As of the last turn. */
    loop_counter_t timers_shown;
    loop_counter_t watches_shown;

    /* The longest callback. HOT: block_left is counted down by each callback. */
    uint32_t block_left;
    uint32_t block_size;
    loop_counter_t block_began_ticks;
    /* A full block that takes at least the first and at most the sum of both changes neither the size nor the record. Nor does one that
     * the loop's sleep has ended early and that takes at most the third. */
    loop_counter_t usual_from_ticks;
    loop_counter_t usual_span_ticks;
    loop_counter_t usual_part_ticks;
    uint64_t narrow_ticks;    /* how long blocks of one callback are still paid for */
    loop_counter_t bar_ticks; /* what the next record must exceed */
    loop_counter_t record_ticks;
} loop_counters_t;

/* With the GIL a plain field will do. */
#ifdef Py_GIL_DISABLED
static inline uint64_t loop_counter_get(const loop_counter_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static inline void loop_counter_set(loop_counter_t *counter, uint64_t value)
{
    __atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

static inline void loop_counter_add_anywhere(loop_counter_t *counter, uint64_t count)
{
    __atomic_fetch_add(counter, count, __ATOMIC_RELAXED);
}
#else
static inline uint64_t loop_counter_get(const loop_counter_t *counter)
{
    return *counter;
}

static inline void loop_counter_set(loop_counter_t *counter, uint64_t value)
{
    *counter = value;
}

static inline void loop_counter_add_anywhere(loop_counter_t *counter, uint64_t count)
{
    *counter += count;
}
#endif

/* HOT. The loop's thread only. */
static inline void loop_counter_add(loop_counter_t *counter, uint64_t count)
{
    loop_counter_set(counter, loop_counter_get(counter) + count);
}

/* HOT. What a system call that moves bytes has returned. */
static inline void loop_counter_add_bytes(loop_counter_t *counter, ssize_t count)
{
    if (count > 0) {
        loop_counter_add(counter, (uint64_t)count);
    }
}

/* INVARIANT: the memory is zeroed. */
static inline void loop_counters_open(loop_counters_t *counters)
{
    counters->made_ticks = clock_ticks();
    counters->made_ns = clock_now_ns();
    counters->block_left = counters->block_size = 1;
    counters->usual_from_ticks = UINT64_MAX;
}

/* ---- runs and sleeps ---- */

static inline void loop_counters_begin_block(loop_counters_t *counters, uint64_t ticks)
{
    loop_counter_set(&counters->block_began_ticks, ticks);
    counters->block_left = counters->block_size;
}

static inline void loop_counters_begin_run(loop_counters_t *counters)
{
    /* What the thread has done between two runs is no callback. */
    loop_counters_begin_block(counters, clock_ticks());
    loop_counter_set(&counters->run_began_ns, (uint64_t)clock_now_ns());
}

static inline void loop_counters_end_run(loop_counters_t *counters)
{
    const uint64_t began = loop_counter_get(&counters->run_began_ns);
    if (began != 0) {
        loop_counter_add(&counters->run_ns, (uint64_t)clock_now_ns() - began);
        loop_counter_set(&counters->run_began_ns, 0);
    }
}

/* INVARIANT: the last block has just ended. */
static inline void loop_counters_begin_sleep(loop_counters_t *counters)
{
    loop_counter_set(&counters->is_asleep, 1);
}

static inline void loop_counters_end_sleep(loop_counters_t *counters)
{
    const uint64_t now = clock_ticks();
    /* Less than nothing if ticks went backwards, because a virtual machine has moved to another host. */
    loop_counter_add(&counters->asleep_ticks, now - loop_counter_get(&counters->block_began_ticks));
    /* In this order: a watchdog must not take the sleep for a block. */
    loop_counter_set(&counters->block_began_ticks, now);
    loop_counter_set(&counters->is_asleep, 0);
}

/* ---- turns and blocks ---- */

/* HOT. Once in each turn, before what is ready runs. */
static inline void loop_counters_begin_turn(loop_counters_t *counters, size_t ready)
{
    loop_counter_add(&counters->turns, 1);
    if (ready > loop_counter_get(&counters->most_ready)) {
        loop_counter_set(&counters->most_ready, ready);
    }
}

/* The loop has worked for itself since then. That is not part of the block. */
static inline void loop_counters_skip(loop_counters_t *counters, uint64_t began_ticks)
{
    const uint64_t now = clock_ticks();
    if (now > began_ticks) {
        loop_counter_add(&counters->block_began_ticks, now - began_ticks);
    }
}

static inline void loop_counters_plan_block(loop_counters_t *counters, uint64_t took)
{
    if (took > LOOP_BLOCK_LONG_TICKS) {
        counters->block_size = 1;
        counters->narrow_ticks += took;
        if (counters->narrow_ticks > LOOP_BLOCK_MAX_NARROW_TICKS) {
            counters->narrow_ticks = LOOP_BLOCK_MAX_NARROW_TICKS;
        }
    } else if (counters->narrow_ticks >= LOOP_BLOCK_SHORT_TICKS) {
        counters->narrow_ticks -= LOOP_BLOCK_SHORT_TICKS;
    } else if (took < LOOP_BLOCK_SHORT_TICKS && counters->block_left == 0 && counters->block_size < LOOP_BLOCK_MAX) {
        /* Not if it is short because the loop goes to sleep. */
        counters->block_size *= 2;
    }
}

/* No block takes that long. Any thread. */
static inline void loop_counters_forget_usual(loop_counters_t *counters)
{
    loop_counter_set(&counters->usual_from_ticks, UINT64_MAX);
    loop_counter_set(&counters->usual_span_ticks, 0);
    loop_counter_set(&counters->usual_part_ticks, 0);
}

static inline void loop_counters_learn_usual(loop_counters_t *counters)
{
    const uint64_t bar = loop_counter_get(&counters->bar_ticks);
    uint64_t from = counters->block_size < LOOP_BLOCK_MAX ? LOOP_BLOCK_SHORT_TICKS : 0;
    uint64_t to = LOOP_BLOCK_LONG_TICKS;
    if (counters->narrow_ticks == LOOP_BLOCK_MAX_NARROW_TICKS) {
        from = LOOP_BLOCK_LONG_TICKS + 1;
        to = bar;
    }
    if (to > bar) {
        to = bar;
    }
    if (from > to || (counters->narrow_ticks >= LOOP_BLOCK_SHORT_TICKS && counters->narrow_ticks < LOOP_BLOCK_MAX_NARROW_TICKS)) {
        loop_counters_forget_usual(counters);
    } else {
        loop_counter_set(&counters->usual_from_ticks, from);
        loop_counter_set(&counters->usual_span_ticks, to - from);
    }
    loop_counter_set(&counters->usual_part_ticks, bar < LOOP_BLOCK_LONG_TICKS ? bar : LOOP_BLOCK_LONG_TICKS);
}

/* HOT. Ends a full block of a usual length and begins the next one. Returns false, and does nothing, if the length is another one. */
static inline bool loop_counters_end_usual_block(loop_counters_t *counters)
{
    const uint64_t now = clock_ticks();
    /* If ticks went backwards, this is a huge number. */
    const uint64_t past_from = now - loop_counter_get(&counters->block_began_ticks) - loop_counter_get(&counters->usual_from_ticks);
    if (past_from > loop_counter_get(&counters->usual_span_ticks)) {
        return false;
    }
    loop_counters_begin_block(counters, now);
    return true;
}

/* HOT. The same for a block that the loop's sleep ends early. */
static inline bool loop_counters_end_usual_part(loop_counters_t *counters)
{
    const uint64_t now = clock_ticks();
    if (now - loop_counter_get(&counters->block_began_ticks) > loop_counter_get(&counters->usual_part_ticks)) {
        return false;
    }
    loop_counters_begin_block(counters, now);
    return true;
}

/* Ends a block and begins the next one. Returns how long it took if that is a new record, otherwise 0. */
static inline uint64_t loop_counters_end_block(loop_counters_t *counters)
{
    const uint64_t now = clock_ticks();
    const uint64_t began = loop_counter_get(&counters->block_began_ticks);
    const uint64_t took = now > began ? now - began : 0;
    loop_counters_plan_block(counters, took);
    loop_counters_learn_usual(counters);
    loop_counters_begin_block(counters, now);
    return took > loop_counter_get(&counters->bar_ticks) ? took : 0;
}

/* A block is a new record. That of one callback is exact. That of several is too long for each of them, so an exact one that comes close
 * to it replaces it. */
static inline void loop_counters_set_record(loop_counters_t *counters, uint64_t took, bool is_exact)
{
    loop_counter_set(&counters->record_ticks, took);
    loop_counter_set(&counters->bar_ticks, is_exact ? took : took - took / 4);
    loop_counters_forget_usual(counters);
}

/* The counts grow on. What is no count begins anew. */
static inline void loop_counters_reset_records(loop_counters_t *counters)
{
    loop_counters_set_record(counters, 0, true);
    loop_counter_set(&counters->most_ready, 0);
}

#endif
