/* Types of fields that one thread writes and any thread may read: the flags of runnables, and the state of a loop or a transport.
 *
 * Owns: nothing.
 * Promises: with the GIL they are plain integers. Without it each read and each write is atomic and sequentially
 *   consistent: a thread that sees a new value also sees what was written before it.
 * Thread rule: they are for questions such as done() and is_running(). Cython's |= reads and writes in two steps, so a
 *   field that several threads write belongs in the inbox, or in a critical section of its object.
 */
#ifndef FASTLOOP_SHARED_FIELDS_H
#define FASTLOOP_SHARED_FIELDS_H

#include <Python.h>
#include <stdint.h>

#ifdef Py_GIL_DISABLED
typedef _Atomic uint32_t shared_flags_t;
typedef _Atomic int shared_bool_t;
typedef _Atomic int shared_int_t;
typedef _Atomic unsigned long shared_ident_t;
#else
typedef uint32_t shared_flags_t;
typedef int shared_bool_t;
typedef int shared_int_t;
typedef unsigned long shared_ident_t;
#endif

#endif
