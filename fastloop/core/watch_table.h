/* The table of watched descriptors: which object receives a descriptor's events.
 *
 * Owns: a reference to each watcher that is held. A watcher that is not held must leave the table before it dies.
 * Promises: looking up a descriptor costs one comparison and one load. The table grows with the highest descriptor.
 * Driven by: the scheduler, which keeps the poller in step with it.
 */
#ifndef FASTLOOP_WATCH_TABLE_H
#define FASTLOOP_WATCH_TABLE_H

#include <Python.h>
#include <stdbool.h>
#include <string.h>

enum { WATCH_TABLE_MIN_CAPACITY = 64 };

typedef struct {
    PyObject *watcher; /* NULL for none */
    bool is_held;
} watch_t;

typedef struct {
    watch_t *watches; /* by descriptor */
    int capacity;
    int count;
} watch_table_t;

/* HOT. Returns a borrowed reference, or NULL. */
static inline PyObject *watch_table_find(const watch_table_t *table, int fd)
{
    return fd >= 0 && fd < table->capacity ? table->watches[fd].watcher : NULL;
}

static int watch_table_grow(watch_table_t *table, int fd)
{
    size_t capacity = table->capacity > 0 ? (size_t)table->capacity : WATCH_TABLE_MIN_CAPACITY;
    while (capacity <= (size_t)fd) {
        capacity *= 2;
    }
    watch_t *watches = (watch_t *)PyMem_RawRealloc(table->watches, capacity * sizeof(watch_t));
    if (watches == NULL) {
        return -1;
    }
    memset(watches + table->capacity, 0, (capacity - (size_t)table->capacity) * sizeof(watch_t));
    table->watches = watches;
    table->capacity = (int)capacity;
    return 0;
}

/* Makes room for fd. Returns 0, or -1 without an exception if there is no memory. */
static inline int watch_table_reserve(watch_table_t *table, int fd)
{
    return fd < table->capacity ? 0 : watch_table_grow(table, fd);
}

/* Sets the watcher of fd, and holds it. NULL removes it. The destructor of the previous watcher may run here.
 * INVARIANT: there is room for fd. */
static inline void watch_table_set(watch_table_t *table, int fd, PyObject *watcher)
{
    const watch_t previous = table->watches[fd];
    Py_XINCREF(watcher);
    table->watches[fd].watcher = watcher;
    table->watches[fd].is_held = true;
    table->count += (watcher != NULL) - (previous.watcher != NULL);
    if (previous.is_held) {
        Py_XDECREF(previous.watcher);
    }
}

/* Changes whether the table holds the watcher of fd. INVARIANT: there is one, and the caller holds it too. */
static inline void watch_table_keep_alive(watch_table_t *table, int fd, bool is_held)
{
    watch_t *watch = &table->watches[fd];
    if (watch->is_held == is_held) {
        return;
    }
    watch->is_held = is_held;
    if (is_held) {
        Py_INCREF(watch->watcher);
    } else {
        Py_DECREF(watch->watcher);
    }
}

/* Destructors that run here may add watchers. Those with a higher descriptor are dropped too. */
static inline void watch_table_clear(watch_table_t *table)
{
    for (int fd = 0; fd < table->capacity; fd++) {
        if (table->watches[fd].watcher != NULL) {
            watch_table_set(table, fd, NULL);
        }
    }
}

static inline int watch_table_traverse(watch_table_t *table, visitproc visit, void *arg)
{
    for (int fd = 0; fd < table->capacity; fd++) {
        if (table->watches[fd].is_held) {
            Py_VISIT(table->watches[fd].watcher);
        }
    }
    return 0;
}

static inline void watch_table_free(watch_table_t *table)
{
    watch_table_clear(table);
    PyMem_RawFree(table->watches);
    table->watches = NULL;
    table->capacity = table->count = 0;
}

#endif
