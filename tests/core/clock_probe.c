/* What test_clock.py calls of fastloop/core/clock.h. */
#include "clock.h"

int64_t probe_now_ns(void);
double probe_seconds(int64_t time_ns);

int64_t probe_now_ns(void)
{
    return clock_now_ns();
}

double probe_seconds(int64_t time_ns)
{
    return clock_seconds(time_ns);
}
