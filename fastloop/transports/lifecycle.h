/* The life of a transport, as one table: its states, and the only changes from one to another.
 *
 *   state         reading   writing          what happens next
 *   OPENING       no        yes              connection_made() is about to be called
 *   OPEN          yes       yes
 *   READ_ENDED    no        yes              the peer has half-closed, and eof_received() asked to keep the connection
 *   CLOSING       no        what is unsent   close() was called while something was unsent
 *   LOSING        no        dropped          connection_lost() is scheduled, exactly once
 *   CLOSED        no        dropped          connection_lost() has been called, the descriptor is closed
 *
 * Which bits (transport_bits.h) may be set in each. Bits in brackets are left over, and nobody looks at them.
 *
 *   state         reading half                         writing half    connection_lost_is_queued
 *   OPENING       all but skips_read, is_receiving     all             no
 *   OPEN          all                                  all             no
 *   READ_ENDED    all, but nothing is read             all             no
 *   CLOSING       all, but nothing is read             all             no
 *   LOSING        (all)                                (all)           if is_queued; otherwise a handle is queued
 *   CLOSED        (all)                                (all)           no
 *
 * Only Transport.move_to() changes the state. A change that is not in the table is a bug in fastloop.
 * test_lifecycle.py has one test for each edge.
 */
#ifndef FASTLOOP_LIFECYCLE_H
#define FASTLOOP_LIFECYCLE_H

#include <Python.h>
#include <stddef.h>

#include "shared_fields.h"

typedef enum {
    TRANSPORT_OPENING,
    TRANSPORT_OPEN,
    TRANSPORT_READ_ENDED,
    TRANSPORT_CLOSING,
    TRANSPORT_LOSING,
    TRANSPORT_CLOSED,
} transport_state_t;

typedef struct {
    transport_state_t from, to;
    const char *cause;
} lifecycle_edge_t;

static const char *const lifecycle_names[] = {"opening", "open", "read ended", "closing", "losing", "closed"};

static const lifecycle_edge_t lifecycle_edges[] = {
    {TRANSPORT_OPENING, TRANSPORT_OPEN, "connection_made() returned"},
    {TRANSPORT_OPENING, TRANSPORT_CLOSING, "close() in connection_made(), with data to send that the kernel does not take"},
    {TRANSPORT_OPENING, TRANSPORT_LOSING, "close() or abort() in connection_made(), or a write failed"},
    {TRANSPORT_OPEN, TRANSPORT_READ_ENDED, "end of file, and eof_received() returned true"},
    {TRANSPORT_OPEN, TRANSPORT_CLOSING, "close() or end of file, with data to send that the kernel does not take"},
    {TRANSPORT_OPEN, TRANSPORT_LOSING, "close() or end of file with nothing to send, abort(), or an error"},
    {TRANSPORT_READ_ENDED, TRANSPORT_CLOSING, "close() with data to send that the kernel does not take"},
    {TRANSPORT_READ_ENDED, TRANSPORT_LOSING, "close() with nothing to send, abort(), or a write failed"},
    {TRANSPORT_CLOSING, TRANSPORT_LOSING, "everything is sent, abort(), or a write failed"},
    {TRANSPORT_LOSING, TRANSPORT_CLOSED, "connection_lost() returned"},
};

enum { LIFECYCLE_EDGE_COUNT = sizeof(lifecycle_edges) / sizeof(lifecycle_edges[0]) };

/* Returns 0, or -1 with SystemError raised if there is no such edge. */
static inline int lifecycle_move(shared_int_t *state, transport_state_t next)
{
    for (size_t i = 0; i < LIFECYCLE_EDGE_COUNT; i++) {
        if ((int)lifecycle_edges[i].from == *state && lifecycle_edges[i].to == next) {
            *state = (int)next;
            return 0;
        }
    }
    PyErr_Format(PyExc_SystemError, "a transport that is %s cannot become %s", lifecycle_names[*state], lifecycle_names[next]);
    return -1;
}

#endif
