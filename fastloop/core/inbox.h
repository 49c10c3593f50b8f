/* The inbox: all that other threads may do to a loop. They push a runnable, and they wake the loop if it sleeps.
 *
 * Owns: the wake-up, and whether the loop sleeps. Without the GIL also what was pushed and the loop has not taken over yet.
 * Promises: no push is missed. The loop sees it before it sleeps, or the push wakes the loop, or the push fails because
 *   the loop is closed. Many pushes to a sleeping loop cost one system call.
 * Thread rule: any thread may call inbox_push() and inbox_wake(). Everything else belongs to the loop's own thread, or to
 *   the only thread that has the loop.
 *   With the GIL, a push goes straight into the ready queue. Without it, pushes collect behind a mutex. The owner takes
 *   them over before its own next push, which keeps them in order.
 */
#ifndef FASTLOOP_INBOX_H
#define FASTLOOP_INBOX_H

#include "wakeup.h"

#include "ready_queue.h"

typedef struct {
    wakeup_t wakeup;
    /* True from just before the loop waits until the wait ends. A thread that clears it wakes the loop. */
    bool is_sleeping;
#ifdef Py_GIL_DISABLED
    PyMutex lock;
    PyObject **pushed;
    size_t capacity;
    size_t count; /* written under the lock; read without it as a hint */
#endif
} inbox_t;

/* Returns 0, or -1 with errno. */
static inline int inbox_open(inbox_t *inbox)
{
    memset(inbox, 0, sizeof(*inbox));
    return wakeup_open(&inbox->wakeup);
}

#ifndef Py_GIL_DISABLED

static inline int inbox_collect(inbox_t *Py_UNUSED(inbox), ready_queue_t *Py_UNUSED(ready))
{
    return 0;
}

static inline void inbox_wake(inbox_t *inbox)
{
    if (inbox->is_sleeping) {
        inbox->is_sleeping = false;
        wakeup_signal(&inbox->wakeup);
    }
}

static inline int inbox_push(inbox_t *inbox, ready_queue_t *ready, PyObject *runnable)
{
    if (ready_queue_push(ready, runnable) < 0) {
        return -1;
    }
    inbox_wake(inbox);
    return 0;
}

static inline bool inbox_begin_sleep(inbox_t *inbox)
{
    inbox->is_sleeping = true;
    return true;
}

static inline void inbox_end_sleep(inbox_t *inbox)
{
    inbox->is_sleeping = false;
}

static inline int inbox_traverse(inbox_t *Py_UNUSED(inbox), visitproc Py_UNUSED(visit), void *Py_UNUSED(arg))
{
    return 0;
}

/* Nothing to drop: pushes are in the ready queue. */
static inline void inbox_clear(inbox_t *Py_UNUSED(inbox))
{
}

static inline void inbox_close(inbox_t *inbox)
{
    wakeup_close(&inbox->wakeup);
}

static inline void inbox_forked(inbox_t *inbox)
{
    wakeup_close(&inbox->wakeup);
}

#else

static int inbox_take(inbox_t *inbox, ready_queue_t *ready)
{
    PyMutex_Lock(&inbox->lock);
    /* No Python code runs under the lock, because a destructor might push. Without room, everything stays here. */
    const bool has_room = ready_queue_reserve(ready, inbox->count) == 0;
    if (has_room) {
        for (size_t i = 0; i < inbox->count; i++) {
            ready_queue_append(ready, inbox->pushed[i]);
        }
        __atomic_store_n(&inbox->count, 0, __ATOMIC_SEQ_CST);
    }
    PyMutex_Unlock(&inbox->lock);
    if (!has_room) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static inline int inbox_collect(inbox_t *inbox, ready_queue_t *ready)
{
    if (__atomic_load_n(&inbox->count, __ATOMIC_SEQ_CST) == 0) {
        return 0;
    }
    return inbox_take(inbox, ready);
}

/* INVARIANT: the lock is held. Otherwise the wake-up could be closed here, and its descriptor's number reused. */
static inline void inbox_wake_locked(inbox_t *inbox)
{
    if (__atomic_exchange_n(&inbox->is_sleeping, false, __ATOMIC_SEQ_CST)) {
        wakeup_signal(&inbox->wakeup);
    }
}

static inline void inbox_wake(inbox_t *inbox)
{
    PyMutex_Lock(&inbox->lock);
    inbox_wake_locked(inbox);
    PyMutex_Unlock(&inbox->lock);
}

static inline int inbox_grow(inbox_t *inbox)
{
    const size_t capacity = inbox->capacity ? 2 * inbox->capacity : READY_QUEUE_MIN_CAPACITY;
    PyObject **pushed = (PyObject **)PyMem_RawRealloc(inbox->pushed, capacity * sizeof(PyObject *));
    if (pushed == NULL) {
        return -1;
    }
    inbox->pushed = pushed;
    inbox->capacity = capacity;
    return 0;
}

/* Returns 0, or -1 with an exception: RuntimeError if the loop was closed since the caller looked, or MemoryError. */
static int inbox_push(inbox_t *inbox, ready_queue_t *Py_UNUSED(ready), PyObject *runnable)
{
    PyMutex_Lock(&inbox->lock);
    const bool is_open = inbox->wakeup.is_open;
    const bool is_taken = is_open && (inbox->count < inbox->capacity || inbox_grow(inbox) == 0);
    if (is_taken) {
        inbox->pushed[inbox->count] = Py_NewRef(runnable);
        __atomic_store_n(&inbox->count, inbox->count + 1, __ATOMIC_SEQ_CST);
        inbox_wake_locked(inbox);
    }
    PyMutex_Unlock(&inbox->lock);
    if (!is_open) {
        PyErr_SetString(PyExc_RuntimeError, "Event loop is closed");
    } else if (!is_taken) {
        PyErr_NoMemory();
    }
    return is_taken ? 0 : -1;
}

/* Returns false if something was pushed. The order matters: the loop sets is_sleeping and then looks for pushes, while a thread
 * pushes and then looks at is_sleeping. */
static inline bool inbox_begin_sleep(inbox_t *inbox)
{
    __atomic_store_n(&inbox->is_sleeping, true, __ATOMIC_SEQ_CST);
    return __atomic_load_n(&inbox->count, __ATOMIC_SEQ_CST) == 0;
}

static inline void inbox_end_sleep(inbox_t *inbox)
{
    __atomic_store_n(&inbox->is_sleeping, false, __ATOMIC_SEQ_CST);
}

static inline int inbox_traverse(inbox_t *inbox, visitproc visit, void *arg)
{
    for (size_t i = 0; i < inbox->count; i++) {
        Py_VISIT(inbox->pushed[i]);
    }
    return 0;
}

/* Drops what was pushed and not taken over. Destructors run after the lock is released, because they may push. */
static void inbox_clear(inbox_t *inbox)
{
    PyMutex_Lock(&inbox->lock);
    PyObject **pushed = inbox->pushed;
    const size_t count = inbox->count;
    inbox->pushed = NULL;
    inbox->capacity = 0;
    __atomic_store_n(&inbox->count, 0, __ATOMIC_SEQ_CST);
    PyMutex_Unlock(&inbox->lock);
    for (size_t i = 0; i < count; i++) {
        Py_DECREF(pushed[i]);
    }
    PyMem_RawFree(pushed);
}

/* Idempotent. Pushes fail from here on. */
static inline void inbox_close(inbox_t *inbox)
{
    PyMutex_Lock(&inbox->lock);
    wakeup_close(&inbox->wakeup);
    PyMutex_Unlock(&inbox->lock);
    inbox_clear(inbox);
}

/* For a forked child, where the thread that held the lock may not exist. */
static inline void inbox_forked(inbox_t *inbox)
{
    memset(&inbox->lock, 0, sizeof(inbox->lock));
    wakeup_close(&inbox->wakeup);
}

#endif

#endif
