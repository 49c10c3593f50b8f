/* Cython makes an object's __dict__ with the object. Few programs put attributes of their own there, and as long as it is not made
 * the object is smaller and the interpreter finds its methods without looking there first. */
#ifndef FASTLOOP_INSTANCE_DICT_H
#define FASTLOOP_INSTANCE_DICT_H

#include <Python.h>

/* From here on the __dict__ is made when first needed. INVARIANT: it is empty. */
static inline void instance_dict_postpone(PyObject *object)
{
    Py_ssize_t offset = Py_TYPE(object)->tp_dictoffset;
    if (offset > 0) {
        Py_CLEAR(*(PyObject **)((char *)object + offset));
    }
}

#endif
