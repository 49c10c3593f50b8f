/* Which runnable runs, for a watchdog in another thread.
 *
 * Owns: nothing. The turn that set the runnable owns it, and sets another one or none before it lets go.
 * Promises: running_step_take() returns a runnable that the caller then owns, or NULL if none is known. Nothing is set unless somebody
 *   watches: turns that begin then are told of.
 * Thread rule: the loop's thread sets, any thread may watch and take. With the GIL, a thread that takes has it. Without it, everything
 *   is behind a mutex.
 */
#ifndef FASTLOOP_RUNNING_STEP_H
#define FASTLOOP_RUNNING_STEP_H

#include <Python.h>
#include <stdbool.h>

typedef struct {
    PyObject *runnable;
    int watchers; /* without the GIL written under the lock, and read without it as a hint */
#ifdef Py_GIL_DISABLED
    PyMutex lock;
#endif
} running_step_t;

#ifdef Py_GIL_DISABLED

/* change: 1 when somebody begins to watch, -1 when somebody ends. */
static inline void running_step_watch(running_step_t *step, int change)
{
    PyMutex_Lock(&step->lock);
    __atomic_store_n(&step->watchers, step->watchers + change, __ATOMIC_RELAXED);
    PyMutex_Unlock(&step->lock);
}

static inline bool running_step_is_watched(const running_step_t *step)
{
    return __atomic_load_n(&step->watchers, __ATOMIC_RELAXED) > 0;
}

static inline void running_step_set(running_step_t *step, PyObject *runnable)
{
    PyMutex_Lock(&step->lock);
    step->runnable = runnable;
    PyMutex_Unlock(&step->lock);
}

static inline PyObject *running_step_take(running_step_t *step)
{
    PyMutex_Lock(&step->lock);
    PyObject *runnable = Py_XNewRef(step->runnable);
    PyMutex_Unlock(&step->lock);
    return runnable;
}

#else

static inline void running_step_watch(running_step_t *step, int change)
{
    step->watchers += change;
}

static inline bool running_step_is_watched(const running_step_t *step)
{
    return step->watchers > 0;
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
