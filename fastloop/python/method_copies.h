/* Copies of inherited methods, in the class that inherits them.
 *
 * Owns: nothing; the class owns the descriptors.
 * Promises: calls do the same as before. The interpreter calls a built-in method directly only if its descriptor was made
 *   for the object's own class. With a descriptor of a base class it takes its slowest path, every time.
 */
#ifndef FASTLOOP_METHOD_COPIES_H
#define FASTLOOP_METHOD_COPIES_H

#include <Python.h>
#include <stdbool.h>

/* What the bases of a class have under name. Borrowed; NULL if there is nothing. */
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

/* Copy into class the methods that it inherits from base, one of its base classes. Returns 0, or -1 with an exception raised.
 * Call it while the module of the class is imported, before anybody uses the class. */
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

/* Whether two attributes of classes are the same built-in method. */
static inline bool method_copies_are_same(PyObject *one, PyObject *other)
{
    if (!Py_IS_TYPE(one, &PyMethodDescr_Type) || !Py_IS_TYPE(other, &PyMethodDescr_Type)) {
        return one == other;
    }
    return ((PyMethodDescrObject *)one)->d_method == ((PyMethodDescrObject *)other)->d_method;
}

#endif
