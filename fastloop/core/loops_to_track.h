/* Loops that have untracked handles in a queue, held by the program too. The garbage collector has found them.
 *
 * Owns: nothing. A loop is noted while the collector traverses it, and taken when the collection has ended. It must be
 *   forgotten before it dies.
 * Promises: noting never runs Python code. If memory runs out, the loop is not noted, and a later collection will note it.
 * Driven by: the scheduler's traversal, its destructor and its hook in gc.callbacks.
 * Thread rule: with the GIL only. Without it the collector tracks every handle (object_pool.h), and no loop is ever noted.
 */
#ifndef FASTLOOP_LOOPS_TO_TRACK_H
#define FASTLOOP_LOOPS_TO_TRACK_H

#include <Python.h>
#include <stddef.h>

static struct {
    void **loops;
    size_t count;
    size_t capacity;
} loops_to_track;

static inline void loops_to_track_forget(void *loop)
{
    for (size_t i = 0; i < loops_to_track.count; i++) {
        if (loops_to_track.loops[i] == loop) {
            loops_to_track.loops[i] = loops_to_track.loops[--loops_to_track.count];
            return;
        }
    }
}

static inline void loops_to_track_note(void *loop)
{
    loops_to_track_forget(loop);
    if (loops_to_track.count == loops_to_track.capacity) {
        size_t capacity = loops_to_track.capacity ? 2 * loops_to_track.capacity : 8;
        void **loops = (void **)PyMem_RawRealloc(loops_to_track.loops, capacity * sizeof(void *));
        if (loops == NULL) {
            return;
        }
        loops_to_track.loops = loops;
        loops_to_track.capacity = capacity;
    }
    loops_to_track.loops[loops_to_track.count++] = loop;
}

/* One of the loops, borrowed, or NULL. */
static inline void *loops_to_track_take(void)
{
    return loops_to_track.count > 0 ? loops_to_track.loops[--loops_to_track.count] : NULL;
}

#endif
