/* When a protocol must stop writing, and when it may continue.
 *
 * Owns: the limits of set_write_buffer_limits().
 * Promises: above the high limit the protocol is paused. At the low limit or below it is resumed. Between them nothing changes.
 * Driven by: the transport, which knows how much is unsent and calls the protocol.
 */
#ifndef FASTLOOP_FLOW_CONTROL_H
#define FASTLOOP_FLOW_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

enum { FLOW_CONTROL_DEFAULT_HIGH_BYTES = 65536 };

typedef struct {
    size_t high_bytes;
    size_t low_bytes;
} flow_control_t;

static inline void flow_control_open(flow_control_t *control)
{
    control->high_bytes = FLOW_CONTROL_DEFAULT_HIGH_BYTES;
    control->low_bytes = FLOW_CONTROL_DEFAULT_HIGH_BYTES / 4;
}

static inline bool flow_control_is_full(const flow_control_t *control, size_t unsent_bytes)
{
    return unsent_bytes > control->high_bytes;
}

static inline bool flow_control_is_drained(const flow_control_t *control, size_t unsent_bytes)
{
    return unsent_bytes <= control->low_bytes;
}

#endif
