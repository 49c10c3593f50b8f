/* The system calls of sockets and pipes. None of them blocks. Only this file of net/ looks at the operating system.
 *
 * Promises: a count, or -1 with errno. Interrupted calls are repeated. net_would_block() says whether to wait and try
 *   again. No call raises SIGPIPE.
 * Owns: nothing. Descriptors belong to the callers.
 * Driven by transports, listeners and socket operations, with the GIL held: nothing here waits.
 */
#ifndef FASTLOOP_SYSCALLS_H
#define FASTLOOP_SYSCALLS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#ifdef MSG_NOSIGNAL
#define NET_SEND_FLAGS (MSG_DONTWAIT | MSG_NOSIGNAL)
#else
/* CPython ignores SIGPIPE for the whole process. */
#define NET_SEND_FLAGS MSG_DONTWAIT
#endif

enum { NET_MAX_VECTORS = 64 };

static inline bool net_would_block(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK;
}

/* HOT. The C library's own functions are cancellation points, which takes two more calls. Without them the user-space
 * time of an echoed kilobyte was 0.54 us instead of 0.61 (presumably the kernel's work has pushed our return addresses
 * out of the processor's predictor). The address sanitizer knows only the library's functions. */
#if defined(__SANITIZE_ADDRESS__)
#define NET_IS_SANITIZED 1
#elif defined(__has_feature)
/* How clang says so. */
#define NET_IS_SANITIZED __has_feature(address_sanitizer)
#else
#define NET_IS_SANITIZED 0
#endif

#if defined(__linux__) && defined(SYS_recvfrom) && defined(SYS_sendto) && !NET_IS_SANITIZED
static inline ssize_t net_recv_once(int fd, void *buffer, size_t size)
{
    return syscall(SYS_recvfrom, fd, buffer, size, MSG_DONTWAIT, NULL, NULL);
}

static inline ssize_t net_send_once(int fd, const void *data, size_t size)
{
    return syscall(SYS_sendto, fd, data, size, NET_SEND_FLAGS, NULL, 0);
}

static inline ssize_t net_receive_from_once(int fd, void *buffer, size_t size, struct sockaddr_storage *address, socklen_t *length)
{
    return syscall(SYS_recvfrom, fd, buffer, size, MSG_DONTWAIT, address, length);
}

static inline ssize_t net_send_to_once(int fd, const void *data, size_t size, const void *address, socklen_t length)
{
    return syscall(SYS_sendto, fd, data, size, NET_SEND_FLAGS, address, length);
}
#else
static inline ssize_t net_recv_once(int fd, void *buffer, size_t size)
{
    return recv(fd, buffer, size, MSG_DONTWAIT);
}

static inline ssize_t net_send_once(int fd, const void *data, size_t size)
{
    return send(fd, data, size, NET_SEND_FLAGS);
}

static inline ssize_t net_receive_from_once(int fd, void *buffer, size_t size, struct sockaddr_storage *address, socklen_t *length)
{
    return recvfrom(fd, buffer, size, MSG_DONTWAIT, (struct sockaddr *)address, length);
}

static inline ssize_t net_send_to_once(int fd, const void *data, size_t size, const void *address, socklen_t length)
{
    return sendto(fd, data, size, NET_SEND_FLAGS, (const struct sockaddr *)address, length);
}
#endif

static inline ssize_t net_receive(int fd, void *buffer, size_t size)
{
    ssize_t count;
    do {
        count = net_recv_once(fd, buffer, size);
    } while (count < 0 && errno == EINTR);
    return count;
}

static inline ssize_t net_send(int fd, const void *data, size_t size)
{
    ssize_t count;
    do {
        count = net_send_once(fd, data, size);
    } while (count < 0 && errno == EINTR);
    return count;
}

/* One datagram and its sender. length is 0 where the kernel names none. */
static inline ssize_t net_receive_from(int fd, void *buffer, size_t size, struct sockaddr_storage *address, socklen_t *length)
{
    ssize_t count;
    do {
        *length = sizeof(*address);
        count = net_receive_from_once(fd, buffer, size, address, length);
    } while (count < 0 && errno == EINTR);
    return count;
}

/* The same into several pieces of memory. */
static inline ssize_t net_receive_from_vectors(
    int fd, struct iovec *vectors, int vector_count, struct sockaddr_storage *address, socklen_t *length)
{
    struct msghdr message = {.msg_name = address, .msg_iov = vectors, .msg_iovlen = (unsigned)vector_count};
    ssize_t count;
    do {
        message.msg_namelen = sizeof(*address);
        count = recvmsg(fd, &message, MSG_DONTWAIT);
    } while (count < 0 && errno == EINTR);
    *length = message.msg_namelen;
    return count;
}

/* One datagram. Without an address (NULL and 0) it goes to the socket's peer. */
static inline ssize_t net_send_to(int fd, const void *data, size_t size, const void *address, socklen_t length)
{
    ssize_t count;
    do {
        count = net_send_to_once(fd, data, size, address, length);
    } while (count < 0 && errno == EINTR);
    return count;
}

/* From a pipe, or anything else that a pipe's transport serves. The descriptor is non-blocking. */
static inline ssize_t net_read(int fd, void *buffer, size_t size)
{
    ssize_t count;
    do {
        count = read(fd, buffer, size);
    } while (count < 0 && errno == EINTR);
    return count;
}

/* Whether the writing end of a pipe, or of a FIFO with a name, reports that the reading end is gone. Sockets do so everywhere. On macOS
 * a FIFO's end counts as readable while data is in it (gh-145030). */
#if defined(_AIX)
#define NET_PIPE_HEARS_OF_READER 0
#define NET_FIFO_HEARS_OF_READER 0
#elif defined(__APPLE__) || defined(__sun)
#define NET_PIPE_HEARS_OF_READER 1
#define NET_FIFO_HEARS_OF_READER 0
#else
#define NET_PIPE_HEARS_OF_READER 1
#define NET_FIFO_HEARS_OF_READER 1
#endif

/* CPython ignores SIGPIPE for the whole process. */
static inline ssize_t net_write(int fd, const void *data, size_t size)
{
    ssize_t count;
    do {
        count = write(fd, data, size);
    } while (count < 0 && errno == EINTR);
    return count;
}

static inline ssize_t net_write_vectors(int fd, const struct iovec *vectors, int vector_count)
{
    ssize_t count;
    do {
        count = writev(fd, vectors, vector_count);
    } while (count < 0 && errno == EINTR);
    return count;
}

static inline ssize_t net_send_vectors(int fd, const struct iovec *vectors, int vector_count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)vectors, .msg_iovlen = (unsigned)vector_count};
    ssize_t count;
    do {
        count = sendmsg(fd, &message, NET_SEND_FLAGS);
    } while (count < 0 && errno == EINTR);
    return count;
}

static inline int net_set_flags(int fd)
{
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
        return -1;
    }
    return 0;
}

/* The new descriptor, non-blocking and close-on-exec, with the peer's address; or -1 with errno. */
static inline int net_accept(int fd, struct sockaddr_storage *address, socklen_t *length)
{
    int accepted;
    do {
        *length = sizeof(*address);
#if defined(__linux__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__)
        accepted = accept4(fd, (struct sockaddr *)address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
        accepted = accept(fd, (struct sockaddr *)address, length);
        if (accepted >= 0 && net_set_flags(accepted) < 0) {
            const int saved_errno = errno;
            close(accepted);
            errno = saved_errno;
            accepted = -1;
        }
#endif
    } while (accepted < 0 && errno == EINTR);
    return accepted;
}

/* Errors of accept() that concern only the one connection, which is gone. The next one may be sound (man 2 accept). */
static inline bool net_accept_error_is_passing(int error)
{
    switch (error) {
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return true;
    default:
        return false;
    }
}

static inline bool net_is_out_of_resources(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* Small writes are sent at once. Accepted sockets inherit the option from the listening one. */
static inline void net_set_nodelay(int fd, int family, int type)
{
    const int on = 1;
    if ((family == AF_INET || family == AF_INET6) && type == SOCK_STREAM) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
}

/* Kernel TLS. linux/tls.h may be older than the kernel, or missing; the numbers never change. */
#ifdef __linux__
enum { NET_TCP_ULP = 31, NET_SOL_TLS = 282, NET_TLS_TX = 1, NET_TLS_SET_RECORD_TYPE = 1 };

/* Have the kernel encrypt what is sent from now on, with the keys in info (one of linux/tls.h's structs). Returns 0, or -1 with errno. */
static inline int net_encrypt_output(int fd, const void *info, size_t size)
{
    if (setsockopt(fd, IPPROTO_TCP, NET_TCP_ULP, "tls", sizeof("tls")) < 0 && errno != EEXIST) {
        return -1;
    }
    return setsockopt(fd, NET_SOL_TLS, NET_TLS_TX, info, (socklen_t)size);
}

/* Send a record of another type than data. A record that sendfile() has left open is sent before it; with size 0 only that. */
static inline ssize_t net_send_record(int fd, unsigned char type, const void *data, size_t size)
{
    union {
        struct cmsghdr header;
        char memory[CMSG_SPACE(sizeof(type))];
    } control = {0};
    struct iovec vector = {.iov_base = (void *)data, .iov_len = size};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.memory)};
    control.header.cmsg_level = NET_SOL_TLS;
    control.header.cmsg_type = NET_TLS_SET_RECORD_TYPE;
    control.header.cmsg_len = CMSG_LEN(sizeof(type));
    *CMSG_DATA(&control.header) = type;
    ssize_t count;
    do {
        count = sendmsg(fd, &message, NET_SEND_FLAGS);
    } while (count < 0 && errno == EINTR);
    return count;
}
#else
static inline int net_encrypt_output(int fd, const void *info, size_t size)
{
    (void)fd, (void)info, (void)size;
    errno = ENOPROTOOPT;
    return -1;
}

static inline ssize_t net_send_record(int fd, unsigned char type, const void *data, size_t size)
{
    (void)type;
    return net_encrypt_output(fd, data, size);
}
#endif

static inline int net_shutdown_write(int fd)
{
    return shutdown(fd, SHUT_WR);
}

static inline void net_close(int fd)
{
    const int saved_errno = errno;
    /* Not repeated when interrupted: on Linux the descriptor is gone by then, and its number may belong to another file. */
    (void)close(fd);
    errno = saved_errno;
}

#endif
