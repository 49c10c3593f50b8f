/* A pipe that ends a wait: somebody writes into it, and the poller watches the other end.
 *
 * Owns: both ends, non-blocking and close-on-exec. A zeroed wakeup_pipe_t counts as closed.
 * Promises: a full pipe already holds a signal, so a byte that does not fit may be dropped.
 * Driven by the wake-up where there is no eventfd, and by Python's signal handler. That writes one byte, and an eventfd
 *   takes eight or none.
 */
#ifndef FASTLOOP_WAKEUP_PIPE_H
#define FASTLOOP_WAKEUP_PIPE_H

#include "poller.h"

#include <fcntl.h>
#include <unistd.h>

typedef struct {
    bool is_open;
    int read_fd;
    int write_fd;
} wakeup_pipe_t;

static inline int wakeup_pipe_set_flags(int fd)
{
    const int status = fcntl(fd, F_GETFL);
    if (status == -1 || fcntl(fd, F_SETFL, status | O_NONBLOCK) == -1) {
        return -1;
    }
    return fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static inline void wakeup_pipe_close_ends(wakeup_pipe_t *wakeup)
{
    close(wakeup->read_fd);
    close(wakeup->write_fd);
}

/* LIMIT: a process that another thread spawns between pipe() and fcntl() inherits both ends. Not every system has pipe2(). */
static inline int wakeup_pipe_open(wakeup_pipe_t *wakeup)
{
    int ends[2];
    wakeup->is_open = false;
    if (pipe(ends) == -1) {
        return -1;
    }
    wakeup->read_fd = ends[0];
    wakeup->write_fd = ends[1];
    if (wakeup_pipe_set_flags(ends[0]) == -1 || wakeup_pipe_set_flags(ends[1]) == -1) {
        const int saved_errno = errno;
        wakeup_pipe_close_ends(wakeup);
        return poll_fail(saved_errno);
    }
    wakeup->is_open = true;
    return 0;
}

/* Returns whether there may be more. */
static inline bool wakeup_pipe_read(const wakeup_pipe_t *wakeup)
{
    char signals[256];
    return read(wakeup->read_fd, signals, sizeof(signals)) == (ssize_t)sizeof(signals);
}

#endif
