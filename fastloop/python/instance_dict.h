/* Objects without a __dict__ until they need one. Cython makes the __dict__ together with the object, but few programs
 * put attributes of their own there. Without it the object is smaller, and the interpreter finds its methods without
 * looking there first. */
#ifndef FASTLOOP_INSTANCE_DICT_H
#define FASTLOOP_INSTANCE_DICT_H

#include <Python.h>

/* Drop the __dict__; it is made again when first needed. INVARIANT: it is empty. */
static inline void instance_dict_postpone(PyObject *object)
{
    Py_ssize_t offset = Py_TYPE(object)->tp_dictoffset;
    if (offset > 0) {
        Py_CLEAR(*(PyObject **)((char *)object + offset));
    }
}

#endif
