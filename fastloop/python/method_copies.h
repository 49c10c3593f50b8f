/* Methods that a class inherits, given to it as its own.
 *
 * Owns: nothing; the class owns the descriptors.
 * Promises: calls do the same as before. The interpreter calls a built-in method without a detour only where the class of the object
 *   is the one that the descriptor was made for; with one of a base class it takes its slowest way, every time.
 */
#ifndef FASTLOOP_METHOD_COPIES_H
#define FASTLOOP_METHOD_COPIES_H

#include <Python.h>
#include <stdbool.h>

/* What is looked up under name in the bases of a class, borrowed; NULL if there is nothing. */
static inline PyObject *method_copies_inherited(PyTypeObject *type, PyObject *name)
{
    for (Py_ssize_t i = 1; i < PyTuple_GET_SIZE(type->tp_mro); i++) {
        PyObject *found = PyDict_GetItemWithError(((PyTypeObject *)PyTuple_GET_ITEM(type->tp_mro, i))->tp_dict, name);
        if (found != NULL || PyErr_Occurred()) {
            return found;
        }
    }
    return NULL;
}

/* Returns 0, or -1 with an exception raised. To be called while the module that has the class is imported, before anybody uses it.
 * base: a base class of it, of which it gets what is defined there. */
static inline int method_copies_make(PyObject *class, PyObject *base)
{
    PyTypeObject *type = (PyTypeObject *)class;
    Py_ssize_t position = 0;
    PyObject *name, *value;
    while (PyDict_Next(((PyTypeObject *)base)->tp_dict, &position, &name, &value)) {
        if (!Py_IS_TYPE(value, &PyMethodDescr_Type) || PyUnicode_READ_CHAR(name, 0) == '_') {
            continue;
        }
        int has_own = PyDict_Contains(type->tp_dict, name);
        if (has_own < 0) {
            return -1;
        }
        if (has_own || method_copies_inherited(type, name) != value) {
            continue;
        }
        PyObject *descriptor = PyDescr_NewMethod(type, ((PyMethodDescrObject *)value)->d_method);
        if (descriptor == NULL) {
            return -1;
        }
        int status = PyDict_SetItem(type->tp_dict, name, descriptor);
        Py_DECREF(descriptor);
        if (status < 0) {
            return -1;
        }
    }
    PyType_Modified(type);
    return PyErr_Occurred() ? -1 : 0;
}

/* Whether two attributes of classes are one and the same built-in method. */
static inline bool method_copies_are_same(PyObject *one, PyObject *other)
{
    if (!Py_IS_TYPE(one, &PyMethodDescr_Type) || !Py_IS_TYPE(other, &PyMethodDescr_Type)) {
        return one == other;
    }
    return ((PyMethodDescrObject *)one)->d_method == ((PyMethodDescrObject *)other)->d_method;
}

#endif
