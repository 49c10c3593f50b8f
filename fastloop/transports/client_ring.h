/* The connections of a server, as a ring of links that are part of the connections. Joining and leaving need no
 * allocation and no search.
 *
 * OWNERSHIP: nothing is owned. A client leaves before it dies. A ring that dies releases its clients. A ring does not move.
 * Driven by server_clients.pyx, with the GIL held.
 */
#ifndef FASTLOOP_CLIENT_RING_H
#define FASTLOOP_CLIENT_RING_H

#include <Python.h>
#include <stdbool.h>

typedef struct client_link {
    /* Borrowed: the object that this is a part of; NULL in the ring's own link, where it begins and ends. */
    PyObject *client;
    /* Both NULL outside any ring. */
    struct client_link *previous, *next;
} client_link_t;

static inline void client_ring_open(client_link_t *ring)
{
    ring->client = NULL;
    ring->previous = ring->next = ring;
}

static inline bool client_ring_is_empty(const client_link_t *ring)
{
    return ring->next == ring;
}

static inline void client_ring_join(client_link_t *ring, client_link_t *link, PyObject *client)
{
    link->client = client;
    link->previous = ring->previous;
    link->next = ring;
    ring->previous->next = link;
    ring->previous = link;
}

static inline bool client_ring_has(const client_link_t *link)
{
    return link->next != NULL;
}

/* Does nothing if the link is in no ring. */
static inline void client_ring_leave(client_link_t *link)
{
    if (!client_ring_has(link)) {
        return;
    }
    link->previous->next = link->next;
    link->next->previous = link->previous;
    link->previous = link->next = NULL;
}

static inline void client_ring_close(client_link_t *ring)
{
    while (!client_ring_is_empty(ring)) {
        client_ring_leave(ring->next);
    }
}

#endif
