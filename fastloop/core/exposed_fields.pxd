"""Documented in exposed_fields.h."""

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t


cdef extern from "exposed_fields.h":
    ctypedef struct exposed_link_t:
        exposed_link_t *next
        exposed_link_t *prev
    ctypedef struct exposed_waiters_t:
        PyObject *waiters
        char is_task
        char is_set
    ctypedef struct exposed_entry_t:
        const void *name
        uint32_t fork_count
        exposed_link_t link
    enum:
        EXPOSED_WAITERS
        EXPOSED_IS_TASK
        EXPOSED_IS_SET
        EXPOSED_COROUTINE
        EXPOSED_NAME
        EXPOSED_LINK
        EXPOSED_SIZE_OF_ASYNCIO
    void exposed_entry_name_by_number(exposed_entry_t *entry, uint64_t number) noexcept
    uint64_t exposed_entry_number(const exposed_entry_t *entry) noexcept
    bint exposed_number_is_readable(const exposed_entry_t *entry, object number) noexcept
    void exposed_list_open(exposed_link_t *head) noexcept
    void exposed_list_append(exposed_link_t *head, exposed_link_t *link) noexcept
    void exposed_list_remove(exposed_link_t *link) noexcept
    void exposed_list_remove_after_fork(exposed_link_t *head, exposed_link_t *link) noexcept
    exposed_waiters_t *exposed_waiters_of(object future) noexcept
    int exposed_waiters_add(exposed_waiters_t *exposed, object waiter) except -1
    void exposed_waiters_clear(exposed_waiters_t *exposed) noexcept
    int exposed_waiters_discard(exposed_waiters_t *exposed, object waiter) except -1
