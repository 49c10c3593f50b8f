/* Which runnable runs, for a watchdog in another thread.
 *
 * Owns: nothing. The turn that set the runnable owns it, and sets another one or none before it lets go.
 * Promises: running_step_take() returns a runnable that the caller then owns, or NULL if none is known.
 * Thread rule: the loop's thread sets, any thread may take. With the GIL, setting costs one instruction for each callback, and a thread
 *   that takes has the GIL. Without it, the step is set behind a mutex, and only while somebody watches.
 */
#ifndef FASTLOOP_RUNNING_STEP_H
#define FASTLOOP_RUNNING_STEP_H

#include <Python.h>
#include <stdbool.h>

typedef struct {
    PyObject *runnable;
#ifdef Py_GIL_DISABLED
    PyMutex lock;
    int is_watched; /* written under the lock; read without it as a hint */
#endif
} running_step_t;

#ifdef Py_GIL_DISABLED

static inline void running_step_watch(running_step_t *step, bool is_watched)
{
    PyMutex_Lock(&step->lock);
    __atomic_store_n(&step->is_watched, is_watched, __ATOMIC_RELAXED);
    /* While nobody watches it is not set, and would be out of date. */
    step->runnable = NULL;
    PyMutex_Unlock(&step->lock);
}

static inline void running_step_set(running_step_t *step, PyObject *runnable)
{
    if (__atomic_load_n(&step->is_watched, __ATOMIC_RELAXED)) {
        PyMutex_Lock(&step->lock);
        step->runnable = step->is_watched ? runnable : NULL;
        PyMutex_Unlock(&step->lock);
    }
}

static inline PyObject *running_step_take(running_step_t *step)
{
    PyMutex_Lock(&step->lock);
    PyObject *runnable = Py_XNewRef(step->runnable);
    PyMutex_Unlock(&step->lock);
    return runnable;
}

#else

static inline void running_step_watch(running_step_t *Py_UNUSED(step), bool Py_UNUSED(is_watched))
{
}

static inline void running_step_set(running_step_t *step, PyObject *runnable)
{
    step->runnable = runnable;
}

static inline PyObject *running_step_take(running_step_t *step)
{
    return Py_XNewRef(step->runnable);
}

#endif

#endif
