/* Addresses as the benchmarks write them: "tcp:PORT", "tls:PORT" or "udp:PORT" on the loopback interface, "unix:PATH".
 *
 * Owns: the parsing, and the small steps that the server and the client have in common.
 * Promise: a failure ends the program with one line on standard error, which becomes the footnote of the row.
 * Used by limit_server.c, load_client.c and datagram_client.c; everything here is POSIX.
 */
#ifndef BENCHMARKS_SOCKET_ADDRESS_H
#define BENCHMARKS_SOCKET_ADDRESS_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct {
    struct sockaddr_storage storage;
    socklen_t size;
    int type;
} socket_address_t;

static void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static void fail_errno(const char *what)
{
    fail("%s: %s", what, strerror(errno));
}

static socket_address_t socket_address_parse(const char *text)
{
    socket_address_t address;
    memset(&address, 0, sizeof(address));
    address.type = strncmp(text, "udp:", 4) == 0 ? SOCK_DGRAM : SOCK_STREAM;
    if (address.type == SOCK_DGRAM || strncmp(text, "tcp:", 4) == 0 || strncmp(text, "tls:", 4) == 0) {
        struct sockaddr_in *internet = (struct sockaddr_in *)&address.storage;
        internet->sin_family = AF_INET;
        internet->sin_port = htons((uint16_t)atoi(text + 4));
        internet->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.size = sizeof(*internet);
    } else if (strncmp(text, "unix:", 5) == 0) {
        struct sockaddr_un *local = (struct sockaddr_un *)&address.storage;
        if (strlen(text + 5) >= sizeof(local->sun_path)) {
            fail("%s: too long for the address of a Unix socket", text);
        }
        local->sun_family = AF_UNIX;
        strcpy(local->sun_path, text + 5);
        address.size = sizeof(*local);
    } else {
        fail("%s: none of tcp:PORT, tls:PORT, udp:PORT and unix:PATH", text);
    }
    return address;
}

static bool socket_address_is_tcp(const socket_address_t *address)
{
    return address->storage.ss_family == AF_INET && address->type == SOCK_STREAM;
}

static int socket_open(const socket_address_t *address)
{
    int fd = socket(address->storage.ss_family, address->type, 0);
    if (fd < 0) {
        fail_errno("socket");
    }
    return fd;
}

static void socket_set_nonblocking(int fd)
{
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        fail_errno("fcntl");
    }
}

/* What asyncio and the other loops do to their sockets, too. */
static void socket_send_without_delay(int fd)
{
    int one = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0) {
        fail_errno("TCP_NODELAY");
    }
}

/* Ten thousand connections need more descriptors than the usual soft limit. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
        return;
    }
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
        /* macOS says "unlimited" and then refuses it. */
        limit.rlim_cur = 10240;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

#endif
