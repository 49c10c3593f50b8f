/* The loop's clock: CLOCK_MONOTONIC in nanoseconds, the clock behind time.monotonic().
 *
 * Owns: nothing.
 * Promises: a deadline is never due before the clock reaches it, so no timer fires early.
 * Driven by: the scheduler, and every call that turns seconds into a deadline.
 */
#ifndef FASTLOOP_CLOCK_H
#define FASTLOOP_CLOCK_H

#include <math.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#define CLOCK_NS_PER_SECOND 1000000000LL
#define CLOCK_AT_ONCE INT64_MIN

static inline int64_t clock_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * CLOCK_NS_PER_SECOND + now.tv_nsec;
}

/* CPython does the same division, so loop.time() and time.monotonic() agree to the last bit. */
static inline double clock_seconds(int64_t time_ns)
{
    return (double)time_ns / 1e9;
}

/* A deadline is the bit pattern of its seconds. From zero up, bit patterns have the same order as the seconds. So timers
 * run in the order of their when(), however close, and a timer is due exactly when loop.time() reaches its when(). A time
 * before zero is due at once. So is NaN: it compares false with everything, and asyncio runs such a timer at once too.
 * Infinity is never due. */
static inline int64_t clock_deadline(double when_s)
{
    if (!(when_s > 0.0)) {
        return CLOCK_AT_ONCE;
    }
    int64_t bits;
    memcpy(&bits, &when_s, sizeof(bits));
    return bits;
}

/* The seconds that a deadline stands for. 0 if it is due at once. */
static inline double clock_moment(int64_t deadline)
{
    if (deadline == CLOCK_AT_ONCE) {
        return 0.0;
    }
    double when_s;
    memcpy(&when_s, &deadline, sizeof(when_s));
    return when_s;
}

/* The wait from now_s until the deadline, rounded up. Negative if the deadline is never due. */
static inline int64_t clock_wait_ns(int64_t deadline, double now_s)
{
    if (deadline == CLOCK_AT_ONCE) {
        return 0;
    }
    double when_s;
    memcpy(&when_s, &deadline, sizeof(when_s));
    const double wait_ns = ceil((when_s - now_s) * 1e9);
    if (wait_ns >= 9.2e18) {
        return -1;
    }
    return wait_ns > 0.0 ? (int64_t)wait_ns : 0;
}

/* A tick counter that is cheaper than the clock: 10 ns against 30 ns where this was measured. It only tells roughly how
 * much time has passed, because its frequency is anywhere between 1 and 5 GHz on x86-64. Elsewhere it is the clock itself. */
#if defined(__x86_64__)
#include <x86intrin.h>
enum { CLOCK_TICKS_PER_US = 2000 };

static inline uint64_t clock_ticks(void)
{
    return __rdtsc();
}
#else
enum { CLOCK_TICKS_PER_US = 1000 };

static inline uint64_t clock_ticks(void)
{
    return (uint64_t)clock_now_ns();
}
#endif

/* A value that clock_ticks() cannot reach before the deadline, given that it was last_clock_ticks when the clock was last_clock_s.
 * This holds because a tick is never longer than a nanosecond. Returns 0 if the deadline may be due already, and while
 * last_clock_ticks is 0. */
static inline uint64_t clock_ticks_before(int64_t deadline, double last_clock_s, uint64_t last_clock_ticks)
{
    if (deadline == CLOCK_AT_ONCE || last_clock_ticks == 0) {
        return 0;
    }
    double when_s;
    memcpy(&when_s, &deadline, sizeof(when_s));
    const double wait_ns = (when_s - last_clock_s) * 1e9;
    if (wait_ns >= 9.2e18) {
        return UINT64_MAX;
    }
    return wait_ns > 0.0 ? last_clock_ticks + (uint64_t)wait_ns : 0;
}

#endif
