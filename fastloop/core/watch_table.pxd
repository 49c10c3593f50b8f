"""Documented in watch_table.h."""

from cpython.object cimport PyObject, visitproc


cdef extern from "watch_table.h":
    ctypedef struct watch_table_t:
        int capacity
        int count

    PyObject *watch_table_find(const watch_table_t *table, int fd) noexcept
    int watch_table_reserve(watch_table_t *table, int fd) noexcept
    void watch_table_set(watch_table_t *table, int fd, PyObject *watcher) noexcept
    void watch_table_keep_alive(watch_table_t *table, int fd, bint is_held) noexcept
    void watch_table_clear(watch_table_t *table) noexcept
    int watch_table_traverse(watch_table_t *table, visitproc visit, void *arg) noexcept
    void watch_table_free(watch_table_t *table) noexcept
