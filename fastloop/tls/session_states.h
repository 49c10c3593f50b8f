/* The life of a TLS session, as one table: its states, and the only changes from one to another.
 *
 *   state           data in        data out    what happens next
 *   HANDSHAKING     kept           kept        records go to and fro
 *   OPEN            delivered      encrypted
 *   SHUTTING_DOWN   dropped        no          close_notify is sent, the peer's is awaited
 *   CLOSED          no             no          nothing
 *
 * Only TlsSession.move_to() changes the state. A change that is not in the table is a bug in fastloop.
 * tests/tls/test_session_states.py has one test for each edge.
 */
#ifndef FASTLOOP_SESSION_STATES_H
#define FASTLOOP_SESSION_STATES_H

#include <Python.h>
#include <stddef.h>

typedef enum {
    SESSION_HANDSHAKING,
    SESSION_OPEN,
    SESSION_SHUTTING_DOWN,
    SESSION_CLOSED,
} session_state_t;

typedef struct {
    session_state_t from, to;
    const char *cause;
} session_edge_t;

static const char *const session_state_names[] = {"handshaking", "open", "shutting down", "closed"};

static const session_edge_t session_edges[] = {
    {SESSION_HANDSHAKING, SESSION_OPEN, "the handshake is done"},
    {SESSION_HANDSHAKING, SESSION_CLOSED, "the handshake failed or took too long, or the connection is lost"},
    {SESSION_OPEN, SESSION_SHUTTING_DOWN, "close(), or the peer's close_notify"},
    {SESSION_OPEN, SESSION_CLOSED, "the connection is lost or aborted, or a record is bad"},
    {SESSION_SHUTTING_DOWN, SESSION_CLOSED, "the peer's close_notify, too much data instead of it, or the connection is lost"},
};

enum { SESSION_EDGE_COUNT = sizeof(session_edges) / sizeof(session_edges[0]) };

/* Returns 0, or -1 with SystemError raised if there is no such edge. */
static inline int session_state_move(session_state_t *state, session_state_t next)
{
    for (size_t i = 0; i < SESSION_EDGE_COUNT; i++) {
        if (session_edges[i].from == *state && session_edges[i].to == next) {
            *state = next;
            return 0;
        }
    }
    PyErr_Format(PyExc_SystemError, "a TLS session that is %s cannot become %s", session_state_names[*state], session_state_names[next]);
    return -1;
}

#endif
