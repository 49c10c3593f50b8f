/* Loops that have untracked handles in a queue, held by the program too. The garbage collector has found them.
 *
 * Owns: nothing. A loop is noted while the collector traverses it, and taken when the collection has ended. It must be
 *   forgotten before it dies.
 * Promises: noting never runs Python code. If memory runs out, the loop is not noted, and a later collection will note it.
 * Driven by: the scheduler's traversal, its destructor and its hook in gc.callbacks.
 * Thread rule: with the GIL only. Without it the collector tracks every handle (object_pool.h), and no loop is ever noted.
 */
#ifndef FASTLOOP_HELD_QUEUES_H
#define FASTLOOP_HELD_QUEUES_H

#include <Python.h>
#include <stddef.h>

static struct {
    void **loops;
    size_t count;
    size_t capacity;
} held_queues;

static inline void held_queues_forget(void *loop)
{
    for (size_t i = 0; i < held_queues.count; i++) {
        if (held_queues.loops[i] == loop) {
            held_queues.loops[i] = held_queues.loops[--held_queues.count];
            return;
        }
    }
}

static inline void held_queues_note(void *loop)
{
    held_queues_forget(loop);
    if (held_queues.count == held_queues.capacity) {
        size_t capacity = held_queues.capacity ? 2 * held_queues.capacity : 8;
        void **loops = (void **)PyMem_RawRealloc(held_queues.loops, capacity * sizeof(void *));
        if (loops == NULL) {
            return;
        }
        held_queues.loops = loops;
        held_queues.capacity = capacity;
    }
    held_queues.loops[held_queues.count++] = loop;
}

/* One of the loops, borrowed, or NULL. */
static inline void *held_queues_take(void)
{
    return held_queues.count > 0 ? held_queues.loops[--held_queues.count] : NULL;
}

#endif
