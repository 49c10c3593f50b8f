"""Documented in seen_fields.h."""

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t


cdef extern from "seen_fields.h":
    ctypedef struct seen_link_t:
        seen_link_t *next
        seen_link_t *prev
    ctypedef struct seen_waiters_t:
        PyObject *waiters
        char is_task
        char is_set
    ctypedef struct seen_entry_t:
        const void *name
        uint32_t fork_count
        seen_link_t link
    enum:
        SEEN_WAITERS
        SEEN_IS_TASK
        SEEN_IS_SET
        SEEN_COROUTINE
        SEEN_NAME
        SEEN_LINK
        SEEN_SIZE_OF_ASYNCIO
    void seen_entry_name_by_number(seen_entry_t *entry, uint64_t number) noexcept
    uint64_t seen_entry_number(const seen_entry_t *entry) noexcept
    bint seen_number_is_readable(const seen_entry_t *entry, object number) noexcept
    void seen_list_open(seen_link_t *head) noexcept
    void seen_list_append(seen_link_t *head, seen_link_t *link) noexcept
    void seen_list_remove(seen_link_t *link) noexcept
    void seen_list_remove_after_fork(seen_link_t *head, seen_link_t *link) noexcept
    seen_waiters_t *seen_waiters_of(object future) noexcept
    int seen_waiters_add(seen_waiters_t *seen, object waiter) except -1
    void seen_waiters_clear(seen_waiters_t *seen) noexcept
    int seen_waiters_discard(seen_waiters_t *seen, object waiter) except -1
