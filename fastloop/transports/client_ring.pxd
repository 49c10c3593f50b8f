"""Documented in client_ring.h."""

from cpython.object cimport PyObject


cdef extern from "client_ring.h":
    ctypedef struct client_link_t:
        PyObject *client
        client_link_t *next

    void client_ring_open(client_link_t *ring) noexcept
    bint client_ring_is_empty(const client_link_t *ring) noexcept
    void client_ring_join(client_link_t *ring, client_link_t *link, PyObject *client) noexcept
    bint client_ring_has(const client_link_t *link) noexcept
    # Does nothing if the link is in no ring.
    void client_ring_leave(client_link_t *link) noexcept
    void client_ring_close(client_link_t *ring) noexcept
