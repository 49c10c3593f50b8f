/* Calls from the scheduler into Python: in a context, and with everything kept alive that the callee could drop.
 *
 * Owns: during a call, references to the callable, its arguments and its context. The callback may cancel its own handle
 *   or close the loop.
 */
#ifndef FASTLOOP_CALLS_H
#define FASTLOOP_CALLS_H

#include <Python.h>
#include <stdbool.h>

/* As in asyncio, any object with a run() method may be used as a context. */
static inline PyObject *call_through_run(PyObject *context, PyObject *callable, PyObject *args)
{
    PyObject *run = PyObject_GetAttrString(context, "run");
    PyObject *first = run != NULL ? PyTuple_Pack(1, callable) : NULL;
    PyObject *all = first != NULL ? PySequence_Concat(first, args) : NULL;
    PyObject *result = all != NULL ? PyObject_CallObject(run, all) : NULL;
    Py_XDECREF(all);
    Py_XDECREF(first);
    Py_XDECREF(run);
    return result;
}

/* HOT. A new reference, or NULL with the exception raised. args is a tuple. */
static inline PyObject *call_in_context(PyObject *context, PyObject *callable, PyObject *args)
{
    if (!PyContext_CheckExact(context)) {
        return call_through_run(context, callable, args);
    }
    if (PyContext_Enter(context) < 0) {
        return NULL;
    }
    Py_INCREF(context);
    Py_INCREF(callable);
    Py_INCREF(args);
    PyObject *result = PyObject_Vectorcall(callable, ((PyTupleObject *)args)->ob_item, (size_t)PyTuple_GET_SIZE(args), NULL);
    if (PyContext_Exit(context) < 0) {
        Py_CLEAR(result);
    }
    Py_DECREF(args);
    Py_DECREF(callable);
    Py_DECREF(context);
    return result;
}

/* HOT. The same with one argument, which the caller keeps alive. */
static inline PyObject *call_one_in_context(PyObject *context, PyObject *callable, PyObject *argument)
{
    if (!PyContext_CheckExact(context)) {
        PyObject *args = PyTuple_Pack(1, argument);
        PyObject *result = args != NULL ? call_through_run(context, callable, args) : NULL;
        Py_XDECREF(args);
        return result;
    }
    if (PyContext_Enter(context) < 0) {
        return NULL;
    }
    Py_INCREF(context);
    Py_INCREF(callable);
    PyObject *result = PyObject_CallOneArg(callable, argument);
    if (PyContext_Exit(context) < 0) {
        Py_CLEAR(result);
    }
    Py_DECREF(callable);
    Py_DECREF(context);
    return result;
}

/* HOT. In the current context, with one argument. The caller keeps both alive. A bound method's function is called directly. */
static inline PyObject *call_one(PyObject *callable, PyObject *argument)
{
    PyObject *stack[] = {NULL, NULL, argument};
    if (!PyMethod_Check(callable)) {
        return PyObject_Vectorcall(callable, stack + 2, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    stack[1] = PyMethod_GET_SELF(callable);
    return PyObject_Vectorcall(PyMethod_GET_FUNCTION(callable), stack + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

/* HOT. The same with two arguments. */
static inline PyObject *call_two(PyObject *callable, PyObject *first, PyObject *second)
{
    PyObject *stack[] = {NULL, NULL, first, second};
    if (!PyMethod_Check(callable)) {
        return PyObject_Vectorcall(callable, stack + 2, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    stack[1] = PyMethod_GET_SELF(callable);
    return PyObject_Vectorcall(PyMethod_GET_FUNCTION(callable), stack + 1, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

/* Enter the context, unless it is entered already. Returns true if the caller must leave it again. */
static inline bool call_enter(PyObject *context)
{
    if (PyContext_Enter(context) == 0) {
        return true;
    }
    PyErr_Clear();
    return false;
}

/* Whether the raised exception leaves the loop: only KeyboardInterrupt and SystemExit do. */
static inline bool call_raised_exit(void)
{
    return PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) || PyErr_ExceptionMatches(PyExc_SystemExit);
}

#endif
