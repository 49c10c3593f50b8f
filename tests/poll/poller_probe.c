/* What the tests call of fastloop/poll: its inline functions under names that a shared library can export.
 *
 * Compiled by conftest.py, once per backend. A probe owns a poller, a wake-up and the batch of the last wait.
 */
#include "wakeup.h"

#include "poller.h"
#include "busy_poll.h"

#include <stdlib.h>

/* The kernel's headers are a package of their own on some systems (Alpine's linux-headers). */
#if defined(__linux__) && defined(__has_include)
#if __has_include(<linux/filter.h>) && __has_include(<linux/seccomp.h>)
#define PROBE_CAN_REFUSE_CALLS
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif
#endif

enum { PROBE_CAPACITY = 8192 };

const int probe_wakeup_interest = WAKEUP_INTEREST;
const int probe_wakeup_needs_drain = WAKEUP_NEEDS_DRAIN;

typedef struct {
    poller_t poller;
    wakeup_t wakeup;
    busy_poll_t busy_poll;
    poll_event_t events[PROBE_CAPACITY];
} probe_t;

probe_t *probe_new(void);
void probe_free(probe_t *probe);
int probe_open(probe_t *probe);
void probe_close(probe_t *probe);
int probe_set_interest(probe_t *probe, int fd, unsigned old_interest, unsigned new_interest);
void probe_rearm(probe_t *probe, int fd, unsigned directions);
void probe_forget(probe_t *probe, int fd);
int probe_wait(probe_t *probe, int64_t timeout_ns, int capacity);
int probe_reopen_after_fork(probe_t *probe);
const char *probe_name(probe_t *probe);
int probe_event_fd(probe_t *probe, int index);
unsigned probe_event_flags(probe_t *probe, int index);
int probe_timeout_to_ms(int64_t timeout_ns);
void probe_busy_poll_open(probe_t *probe);
int probe_busy_poll_is_due(probe_t *probe, int64_t timeout_ns);
void probe_busy_poll_note(probe_t *probe, int has_come);
void probe_busy_poll_make_brief(probe_t *probe, int is_brief);
void probe_busy_poll_turn_off(probe_t *probe, int is_off);
int probe_busy_poll_us(probe_t *probe);
void probe_busy_poll_limit(probe_t *probe, int limit_us);
void probe_busy_poll_note_cost(probe_t *probe, int was_attempt, int has_come, int64_t cpu_ns);
int64_t probe_busy_poll_measure(probe_t *probe, int is_attempt, int64_t timeout_ns);
int probe_wakeup_open(probe_t *probe);
void probe_wakeup_close(probe_t *probe);
int probe_wakeup_fd(probe_t *probe);
void probe_wakeup_signal(probe_t *probe);
void probe_wakeup_drain(probe_t *probe);
int probe_wakeup_reopen_after_fork(probe_t *probe);
int probe_errno_after_cleanup(probe_t *probe, int fd, int error);
int probe_has_only_milliseconds(probe_t *probe);
int probe_refuse_epoll_pwait2(int error);

probe_t *probe_new(void)
{
    return calloc(1, sizeof(probe_t));
}

void probe_free(probe_t *probe)
{
    free(probe);
}

int probe_open(probe_t *probe)
{
    return poller_open(&probe->poller);
}

void probe_close(probe_t *probe)
{
    poller_close(&probe->poller);
}

int probe_set_interest(probe_t *probe, int fd, unsigned old_interest, unsigned new_interest)
{
    return poller_set_interest(&probe->poller, fd, old_interest, new_interest);
}

void probe_rearm(probe_t *probe, int fd, unsigned directions)
{
    poller_rearm(&probe->poller, fd, directions);
}

void probe_forget(probe_t *probe, int fd)
{
    poller_forget(&probe->poller, fd);
}

int probe_wait(probe_t *probe, int64_t timeout_ns, int capacity)
{
    return poller_wait(&probe->poller, timeout_ns, probe->events, capacity < PROBE_CAPACITY ? capacity : PROBE_CAPACITY);
}

int probe_reopen_after_fork(probe_t *probe)
{
    poller_close(&probe->poller);
    return poller_open(&probe->poller);
}

const char *probe_name(probe_t *probe)
{
    return poller_name(&probe->poller);
}

int probe_event_fd(probe_t *probe, int index)
{
    return probe->events[index].fd;
}

unsigned probe_event_flags(probe_t *probe, int index)
{
    return probe->events[index].flags;
}

int probe_timeout_to_ms(int64_t timeout_ns)
{
    return poll_timeout_to_ms(timeout_ns);
}

void probe_busy_poll_open(probe_t *probe)
{
    busy_poll_open(&probe->busy_poll);
}

int probe_busy_poll_is_due(probe_t *probe, int64_t timeout_ns)
{
    return busy_poll_is_due(&probe->busy_poll, timeout_ns);
}

void probe_busy_poll_note(probe_t *probe, int has_come)
{
    busy_poll_note(&probe->busy_poll, has_come);
}

void probe_busy_poll_make_brief(probe_t *probe, int is_brief)
{
    probe->busy_poll.is_brief = is_brief;
}

void probe_busy_poll_turn_off(probe_t *probe, int is_off)
{
    probe->busy_poll.is_off = is_off;
}

int probe_busy_poll_us(probe_t *probe)
{
    return busy_poll_us(&probe->busy_poll);
}

void probe_busy_poll_limit(probe_t *probe, int limit_us)
{
    probe->busy_poll.limit_us = limit_us;
}

void probe_busy_poll_note_cost(probe_t *probe, int was_attempt, int has_come, int64_t cpu_ns)
{
    busy_poll_note_cost(&probe->busy_poll, was_attempt, has_come, cpu_ns);
}

/* When the wait that is measured began, or 0 if this one is not measured. */
int64_t probe_busy_poll_measure(probe_t *probe, int is_attempt, int64_t timeout_ns)
{
    busy_poll_begin_wait(&probe->busy_poll, is_attempt, timeout_ns);
    return probe->busy_poll.began_ns;
}

int probe_wakeup_open(probe_t *probe)
{
    return wakeup_open(&probe->wakeup);
}

void probe_wakeup_close(probe_t *probe)
{
    wakeup_close(&probe->wakeup);
}

int probe_wakeup_fd(probe_t *probe)
{
    return wakeup_fd(&probe->wakeup);
}

void probe_wakeup_signal(probe_t *probe)
{
    wakeup_signal(&probe->wakeup);
}

void probe_wakeup_drain(probe_t *probe)
{
    wakeup_drain(&probe->wakeup);
}

int probe_wakeup_reopen_after_fork(probe_t *probe)
{
    wakeup_close(&probe->wakeup);
    return wakeup_open(&probe->wakeup);
}

/* What is left of errno when everything has run that promises to keep it, and had something to fail at. */
int probe_errno_after_cleanup(probe_t *probe, int fd, int error)
{
    errno = error;
    poller_rearm(&probe->poller, fd, POLL_BOTH_DIRECTIONS);
    poller_forget(&probe->poller, fd);
    wakeup_signal(&probe->wakeup);
    wakeup_close(&probe->wakeup);
    poller_close(&probe->poller);
    return errno;
}

int probe_has_only_milliseconds(probe_t *probe)
{
#ifdef FASTLOOP_POLLER_IS_EPOLL
    return probe->poller.has_only_milliseconds;
#else
    (void)probe;
    return 0;
#endif
}

/* From now on epoll_pwait2 fails with error in this process, as in containers whose seccomp profile is older than the call.
 * Returns 0, or -1 where that cannot be arranged. */
int probe_refuse_epoll_pwait2(int error)
{
#if defined(FASTLOOP_NR_EPOLL_PWAIT2) && defined(PROBE_CAN_REFUSE_CALLS)
    struct sock_filter instructions[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FASTLOOP_NR_EPOLL_PWAIT2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof instructions / sizeof *instructions, .filter = instructions};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1) {
        return -1;
    }
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == -1 ? -1 : 0;
#else
    (void)error;
    return -1;
#endif
}
