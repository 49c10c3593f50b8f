/* Types of fields that one thread writes and any thread may read: the flags of runnables, and where a loop or a
 * transport is in its life.
 *
 * Owns: nothing.
 * Promises: with the GIL they are plain integers. Without it each read and each write is atomic, sequentially consistent: a thread that
 *   sees a new value also sees what was written before it.
 * Thread rule: this is for questions such as done() and is_running(). Cython reads and writes in two steps what it changes by |=, so
 *   whatever several threads write belongs in the inbox, or in a critical section of its object.
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
