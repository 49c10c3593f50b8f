/* Objects without a __dict__ until they need one. Cython makes the __dict__ together with the object, but few programs
 * put attributes of their own there. Without it the object is smaller, and the interpreter finds its methods without
 * looking there first. */
#ifndef FASTLOOP_INSTANCE_DICT_H
#define FASTLOOP_INSTANCE_DICT_H

#include <Python.h>
#include <stdbool.h>

/* Drop the __dict__; it is made again when first needed. INVARIANT: it is empty. */
static inline void instance_dict_postpone(PyObject *object)
{
    Py_ssize_t offset = Py_TYPE(object)->tp_dictoffset;
    if (offset > 0) {
        Py_CLEAR(*(PyObject **)((char *)object + offset));
    }
}

/* HOT. Whether the object has no attribute of its own there, such as a replaced method. INVARIANT: its type has a __dict__. */
static inline bool instance_dict_is_empty(PyObject *object)
{
    PyObject *dict = *(PyObject **)((char *)object + Py_TYPE(object)->tp_dictoffset);
    return dict == NULL || PyDict_GET_SIZE(dict) == 0;
}

#endif
