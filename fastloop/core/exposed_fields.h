/* The part of a task that tools see, laid out as in asyncio's own tasks of Python 3.14 and later.
 *
 * `python -m asyncio ps`, Python 3.15's profiler and asyncio.all_tasks() follow a list of links inside the tasks. They
 * read a task's fields at fixed offsets, whatever its type is (CPython's InternalDocs/asyncio.md).
 * exposed_task.pxd puts the two structures below at these offsets. task_registry.pyx compares them with one of asyncio's own
 * tasks before it links anything.
 *
 * Owns: the tasks in waiters. A link owns nothing: a task unlinks itself before it dies.
 * Promises: a tool may look at any moment, and finds the list intact.
 * Driven by: ExposedTask and task_registry.pyx, with the GIL held. Free-threaded builds link nothing.
 */
#ifndef FASTLOOP_EXPOSED_FIELDS_H
#define FASTLOOP_EXPOSED_FIELDS_H

#include <Python.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpython_compat.h"

/* A link of a circular list. The head is a link that belongs to no task. */
typedef struct exposed_link {
    struct exposed_link *next; /* NULL: in no list */
    struct exposed_link *prev;
} exposed_link_t;

/* What waits for the task. asyncio's futures have the same fields at the same offset. */
typedef struct {
    PyObject *waiters; /* owned: NULL, a task, or a set of tasks */
    int32_t state_of_asyncio;
    char is_task; /* 1 in tasks, 0 in futures */
    char is_set;
} exposed_waiters_t;

/* The fields after the coroutine. From link.prev on, they are also an int object: the N of the default name "Task-N".
 * Only tools read it. Its reference count, which nobody uses, is link.prev. */
typedef struct {
    const void *name; /* borrowed: the str in the task's extras, or the int below */
    uint32_t fork_count;
    exposed_link_t link;
    PyTypeObject *number_type;
    uintptr_t number_tag;
    uint32_t number_digits[2];
} exposed_entry_t;

/* Offsets in a task, on 64-bit builds with the GIL. */
enum {
    EXPOSED_WAITERS = 96,
    EXPOSED_IS_TASK = 108,
    EXPOSED_IS_SET = 109,
    EXPOSED_COROUTINE = 128,
    EXPOSED_NAME = 136,
    EXPOSED_LINK = 152,
    EXPOSED_SIZE_OF_ASYNCIO = 168,
};

_Static_assert(offsetof(exposed_waiters_t, is_task) == EXPOSED_IS_TASK - EXPOSED_WAITERS || sizeof(void *) != 8, "laid out as asyncio's");
_Static_assert(offsetof(exposed_entry_t, link) == EXPOSED_LINK - EXPOSED_NAME || sizeof(void *) != 8, "laid out as asyncio's");

/* ---- the name ---- */

enum { EXPOSED_DIGIT_BITS = 30, EXPOSED_TAG_OF_ONE_DIGIT = 1 << 3 };

static inline void exposed_entry_name_by_number(exposed_entry_t *entry, uint64_t number)
{
    entry->number_digits[0] = number & ((1U << EXPOSED_DIGIT_BITS) - 1);
    entry->number_digits[1] = (uint32_t)(number >> EXPOSED_DIGIT_BITS);
    entry->number_tag = entry->number_digits[1] == 0 ? EXPOSED_TAG_OF_ONE_DIGIT : 2 * EXPOSED_TAG_OF_ONE_DIGIT;
    entry->number_type = &PyLong_Type;
    entry->name = &entry->link.prev;
}

static inline uint64_t exposed_entry_number(const exposed_entry_t *entry)
{
    return (uint64_t)entry->number_digits[1] << EXPOSED_DIGIT_BITS | entry->number_digits[0];
}

/* Whether this Python's int of the same value, number, has the same bytes as the name's number. */
static inline bool exposed_number_is_readable(const exposed_entry_t *entry, PyObject *number)
{
    const char *shown = (const char *)&entry->link.prev;
    const size_t begin = offsetof(PyObject, ob_type);
    const size_t end = (size_t)PyLong_Type.tp_basicsize + (entry->number_digits[1] != 0 ? 2 : 1) * sizeof(uint32_t);
    return memcmp(shown + begin, (const char *)number + begin, end - begin) == 0;
}

/* ---- the list ---- */

static inline void exposed_list_open(exposed_link_t *head)
{
    head->next = head->prev = head;
}

/* HOT. The newest task is the last one, just before the head. */
static inline void exposed_list_append(exposed_link_t *head, exposed_link_t *link)
{
    link->next = head;
    link->prev = head->prev;
    head->prev->next = link;
    head->prev = link;
}

/* HOT. INVARIANT: link is in a list. */
static inline void exposed_list_remove(exposed_link_t *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = link->prev = NULL;
}

/* The same in a forked child, for a link from before the fork. asyncio has emptied the list there by resetting its head
 * only, so the first and the last link still point to the head. */
static inline void exposed_list_remove_after_fork(exposed_link_t *head, exposed_link_t *link)
{
    if (link->prev != head) {
        link->prev->next = link->next;
    }
    if (link->next != head) {
        link->next->prev = link->prev;
    }
    link->next = link->prev = NULL;
}

/* ---- the waiters ---- */

static inline exposed_waiters_t *exposed_waiters_of(PyObject *future)
{
    return (exposed_waiters_t *)((char *)future + EXPOSED_WAITERS);
}

static int exposed_waiters_begin_set(exposed_waiters_t *exposed)
{
    PyObject *set = PySet_New(NULL);
    if (set == NULL || PySet_Add(set, exposed->waiters) < 0) {
        Py_XDECREF(set);
        return -1;
    }
    PyObject *only = exposed->waiters;
    exposed->waiters = set;
    exposed->is_set = 1;
    Py_DECREF(only);
    return 0;
}

/* HOT. Returns 0, or -1 with an exception. */
static inline int exposed_waiters_add(exposed_waiters_t *exposed, PyObject *waiter)
{
    if (exposed->waiters == NULL) {
        exposed->waiters = Py_NewRef(waiter);
        return 0;
    }
    if (exposed->waiters == waiter) {
        return 0;
    }
    if (!exposed->is_set && exposed_waiters_begin_set(exposed) < 0) {
        return -1;
    }
    return PySet_Add(exposed->waiters, waiter);
}

/* HOT. Removes all waiters. */
static inline void exposed_waiters_clear(exposed_waiters_t *exposed)
{
    if (exposed->waiters != NULL) {
        PyObject *waiters = exposed->waiters;
        exposed->waiters = NULL;
        exposed->is_set = 0;
        Py_DECREF(waiters);
    }
}

/* Returns 0, or -1 with an exception. It is not an error if the waiter is not there. */
static inline int exposed_waiters_discard(exposed_waiters_t *exposed, PyObject *waiter)
{
    if (exposed->waiters == waiter) {
        exposed_waiters_clear(exposed);
    } else if (exposed->is_set) {
        return PySet_Discard(exposed->waiters, waiter) < 0 ? -1 : 0;
    }
    return 0;
}

#endif
