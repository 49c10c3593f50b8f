/* The only place that looks at Python's version: what its C API spells differently from release to release.
 *
 * Owns: nothing.
 * Promises: every function here means the same on CPython 3.11 and later, free-threaded builds included.
 */
#ifndef FASTLOOP_CPYTHON_COMPAT_H
#define FASTLOOP_CPYTHON_COMPAT_H

#include <Python.h>
#include <stdbool.h>

/* Whether only one thread at a time runs Python code. Tested by `if` everywhere: both branches compile on every Python. */
#ifdef Py_GIL_DISABLED
#define COMPAT_HAS_GIL 0
#else
#define COMPAT_HAS_GIL 1
#endif

/* The raised exception, normalised and with its traceback attached; the caller owns it. NULL if none is raised. */
static inline PyObject *compat_take_exception(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (type == NULL) {
        return NULL;
    }
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL) {
        PyException_SetTraceback(value, traceback);
    }
    Py_DECREF(type);
    Py_XDECREF(traceback);
    return value;
#endif
}

/* Raise an exception object as it is. Takes over the caller's reference. */
static inline void compat_raise(PyObject *exception)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(exception);
#else
    PyObject *type = (PyObject *)Py_TYPE(exception);
    Py_INCREF(type);
    PyErr_Restore(type, exception, PyException_GetTraceback(exception));
#endif
}

/* Begin to handle an exception, as an except block does: sys.exc_info() returns it, and a new exception gets it as its context.
 * Returns the exception that was handled before, or NULL, for compat_end_handling(). */
static inline PyObject *compat_begin_handling(PyObject *exception)
{
    PyObject *former = PyErr_GetHandledException();
    PyErr_SetHandledException(exception);
    return former;
}

/* Takes over the reference. A raised exception stays raised. */
static inline void compat_end_handling(PyObject *former)
{
    PyErr_SetHandledException(former);
    Py_XDECREF(former);
}

/* Raise an exception object as it is. Always returns -1. */
static inline int compat_raise_again(PyObject *exception)
{
    compat_raise(Py_NewRef(exception));
    return -1;
}

/* The same, but the exception that is being handled becomes its __context__. Always returns -1. */
static inline int compat_raise_in_context(PyObject *exception)
{
    PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    return -1;
}

/* End an iterator with a value, as `return value` does in a generator. Always returns NULL.
 * The interpreter reads NULL without an exception as "ended with None", so the common case makes no object. */
static inline PyObject *compat_stop_iteration(PyObject *value)
{
    if (value == Py_None) {
        return NULL;
    }
    if (PyTuple_Check(value) || PyExceptionInstance_Check(value)) {
        /* PyErr_SetObject() would take these apart. */
        PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);
        if (stop != NULL) {
            compat_raise(stop);
        }
        return NULL;
    }
    PyErr_SetObject(PyExc_StopIteration, value);
    return NULL;
}

/* The same for the many small results of one kind, which must be bytes: *spare keeps the exception for the next one. Since 3.12 raising
 * always makes an exception object; before, it mostly does not. OWNERSHIP: *spare owns it, and with it the last result. */
static inline PyObject *compat_stop_iteration_with_bytes(PyObject **spare, PyObject *value)
{
#if PY_VERSION_HEX >= 0x030C0000 && COMPAT_HAS_GIL
    PyStopIterationObject *stop = (PyStopIterationObject *)*spare;
    bool is_unseen = stop != NULL && Py_REFCNT(stop) == 1 && Py_REFCNT(stop->args) == 1 && PyTuple_GET_SIZE(stop->args) == 1
                     && stop->dict == NULL && stop->notes == NULL && stop->traceback == NULL && stop->context == NULL
                     && stop->cause == NULL;
    if (is_unseen) {
        Py_DECREF(PyTuple_GET_ITEM(stop->args, 0));
        PyTuple_SET_ITEM(stop->args, 0, Py_NewRef(value));
        Py_XSETREF(stop->value, Py_NewRef(value));
        PyErr_SetRaisedException(Py_NewRef(stop));
        return NULL;
    }
    compat_stop_iteration(value);
    Py_XSETREF(*spare, PyErr_GetRaisedException());
    PyErr_SetRaisedException(Py_XNewRef(*spare));
    return NULL;
#else
    (void)spare;
    return compat_stop_iteration(value);
#endif
}

/* The value of the raised StopIteration, which is cleared; None if nothing is raised. INVARIANT: no other exception is raised. */
static inline PyObject *compat_stop_iteration_value(void)
{
    PyObject *stop = compat_take_exception();
    if (stop == NULL) {
        return Py_NewRef(Py_None);
    }
    PyObject *value = Py_XNewRef(((PyStopIterationObject *)stop)->value);
    Py_DECREF(stop);
    return value != NULL ? value : Py_NewRef(Py_None);
}

/* A call of one function many times. The C function of a built-in with the fast calling convention is called directly.
 * OWNERSHIP: the caller that prepares the call owns callable while it is used. */
typedef PyObject *(*compat_fast_function_t)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);

typedef struct {
    PyObject *callable;
    PyObject *self;
    compat_fast_function_t function;
} compat_call_t;

static inline void compat_call_prepare(compat_call_t *call, PyObject *callable)
{
    call->callable = callable;
    call->self = NULL;
    call->function = NULL;
    if (PyCFunction_CheckExact(callable) && PyCFunction_GET_FLAGS(callable) == (METH_FASTCALL | METH_KEYWORDS)) {
        call->self = PyCFunction_GET_SELF(callable);
        call->function = (compat_fast_function_t)(void (*)(void))PyCFunction_GET_FUNCTION(callable);
    }
}

/* HOT. A new reference, or NULL with the exception raised. */
static inline PyObject *compat_call(const compat_call_t *call, PyObject *const *args, Py_ssize_t count)
{
    if (call->function != NULL) {
        return call->function(call->self, args, count, NULL);
    }
    return PyObject_Vectorcall(call->callable, args, (size_t)count, NULL);
}

/* The target of a weak reference, which the caller owns. NULL once it is gone. */
static inline PyObject *compat_weakref_get(PyObject *reference)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *target = NULL;
    return PyWeakref_GetRef(reference, &target) > 0 ? target : NULL;
#else
    PyObject *target = PyWeakref_GET_OBJECT(reference);
    return target == Py_None ? NULL : Py_NewRef(target);
#endif
}

/* The same, or None once it is gone. */
static inline PyObject *compat_weakref_object(PyObject *reference)
{
    PyObject *target = compat_weakref_get(reference);
    return target != NULL ? target : Py_NewRef(Py_None);
}

/* The same, borrowed and for comparison only. */
static inline PyObject *compat_weakref_target(PyObject *reference)
{
    PyObject *target = compat_weakref_get(reference);
    /* If this is the object that the caller compares it with, the caller holds it. Any other object may die here. */
    Py_XDECREF(target);
    return target;
}

/* Exported by every version, and since 3.13 no longer declared. */
PyAPI_FUNC(int) _PyObject_GetMethod(PyObject *object, PyObject *name, PyObject **method);

/* HOT. Whether object.name is this function of its class: 1 if nothing in the object or its class replaces it, otherwise 0.
 * -1 with the exception raised if there is no such attribute. Makes no bound method. */
static inline int compat_method_is(PyObject *object, PyObject *name, PyObject *function)
{
    PyObject *method = NULL;
    bool is_function = _PyObject_GetMethod(object, name, &method) && method == function;
    if (method == NULL) {
        return -1;
    }
    Py_DECREF(method);
    return is_function;
}

/* Since 3.14 the current task is in the thread state. Before, it was in the dict asyncio.tasks._current_tasks. */
#define COMPAT_CURRENT_TASK_IN_DICT (PY_VERSION_HEX < 0x030E0000)

/* Since 3.14 asyncio links its tasks to one another: see exposed_fields.h. */
#define COMPAT_ASYNCIO_LINKS_TASKS (PY_VERSION_HEX >= 0x030E0000)

/* Since 3.13 the last uncancel() also withdraws a cancellation that has not reached the coroutine yet (gh-117407). */
#define COMPAT_UNCANCEL_CLEARS_REQUEST (PY_VERSION_HEX >= 0x030D0000)

/* Since 3.15 a future refuses a second __init__(). Before, it started again from the beginning. */
#define COMPAT_FUTURE_INIT_ONCE (PY_VERSION_HEX >= 0x030F0000)

/* throw(type, value, traceback) is deprecated since 3.12. */
#define COMPAT_THROW_WARNS (PY_VERSION_HEX >= 0x030C0000)

/* None is immortal since 3.12. Before, every field that holds it owns a reference. */
#define COMPAT_NONE_IS_IMMORTAL (PY_VERSION_HEX >= 0x030C0000)

/* Since 3.15 a task that gets anything else than a context is refused when it is made. Before, its first step failed. */
#define COMPAT_TASK_CHECKS_CONTEXT (PY_VERSION_HEX >= 0x030F0000)

/* Whether nobody but the caller can reach the object. False where reference counts cannot tell. */
static inline bool compat_is_last_reference(PyObject *object)
{
    return COMPAT_HAS_GIL && Py_REFCNT(object) == 1;
}

/* Before 3.12, asyncio's writelines() called write(), and its errors name that. */
#define COMPAT_WRITELINES_HAS_ITS_NAME (PY_VERSION_HEX >= 0x030C0000)

/* Since 3.13 an empty datagram is sent, and each unsent datagram counts for flow control as 8 bytes more than its data. */
#define COMPAT_SENDS_EMPTY_DATAGRAMS (PY_VERSION_HEX >= 0x030D0000)
#define COMPAT_DATAGRAM_HEADER_BYTES (PY_VERSION_HEX >= 0x030D0000 ? 8 : 0)

/* The running thread's state as an address, which is only compared. */
static inline const void *compat_own_thread(void)
{
    return PyThreadState_Get();
}

/* Whether another thread than a patient one (compat_own_thread() of it, or NULL) may want the GIL: another one of this interpreter, or any
 * of another interpreter. A thread has a thread state before it asks for the GIL.
 * Without a GIL the answer is yes, because threads then wait for each other to reach a safe point. */
static inline bool compat_has_other_threads(const void *patient)
{
    if (!COMPAT_HAS_GIL) {
        return true;
    }
    PyThreadState *own = PyThreadState_Get();
    PyInterpreterState *interpreter = PyThreadState_GetInterpreter(own);
    for (PyThreadState *state = PyInterpreterState_ThreadHead(interpreter); state != NULL; state = PyThreadState_Next(state)) {
        if (state != own && state != patient) {
            return true;
        }
    }
    return PyInterpreterState_Head() != interpreter || PyInterpreterState_Next(interpreter) != NULL;
}

#endif
