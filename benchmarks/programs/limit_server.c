/* The yardstick: what a server costs that does nothing but its system calls. limit_server ADDRESS [ANSWER_SIZE|CERTIFICATE]
 *
 * Owns: a listening socket, an epoll instance, and per connection what could not be sent yet.
 * Promise: sends back what it receives, in order and complete, or for each thing received one answer of
 * ANSWER_SIZE bytes. One thread, level-triggered, one recv and one send a message in the steady state.
 * Compiled with WITH_TLS, it does the same through OpenSSL on memory BIOs, with what the PEM file CERTIFICATE holds.
 * At a UDP address it echoes datagrams, or answers every ANSWERED_DATAGRAMS of them once.
 * Started by session.py, which reads the JSON line printed once it listens and ends it with a signal.
 */
/* accept4(2) */
#define _GNU_SOURCE

#include "socket_address.h"

#include <stdint.h>
#include <sys/epoll.h>

#ifdef WITH_TLS
#include "tls_session.h"
#endif

enum {
    EVENTS_PER_WAIT = 256,
    RECEIVE_BYTES = 256 * 1024,
    LISTEN_BACKLOG = 4096,
    ANSWERED_DATAGRAMS = 32,
};

/* unsent: owned, holds size bytes from offset on; while there are any, nothing more is received. */
typedef struct {
    int fd;
    char *unsent;
    size_t offset;
    size_t size;
#ifdef WITH_TLS
    SSL *ssl;
#endif
} connection_t;

static char received[RECEIVE_BYTES];
static char *answer;
static size_t answer_size;
static const char *server_name = "C epoll";

/* What is between the socket and the service: nothing, or TLS. answer_to() finds what to send for count bytes in received, valid until
 * answer_taken(), and returns false if the connection ends after it. */
#ifdef WITH_TLS
static SSL_CTX *context;

static void layer_open(connection_t *connection)
{
    connection->ssl = tls_session_new(context);
}

static void layer_close(connection_t *connection)
{
    SSL_free(connection->ssl);
}

static bool answer_to(connection_t *connection, size_t count, const char **data, size_t *size)
{
    /* A record may have begun in what came before. */
    static char plaintext[RECEIVE_BYTES + SSL3_RT_MAX_PACKET_SIZE];
    bool has_ended;
    size_t length = tls_session_receive(connection->ssl, received, count, plaintext, sizeof(plaintext), &has_ended);
    bool is_written = tls_session_write(connection->ssl, plaintext, length);
    *size = tls_session_outgoing(data);
    return is_written && !has_ended;
}

static void answer_taken(void)
{
    tls_session_clear();
}
#else
static void layer_open(connection_t *connection)
{
    (void)connection;
}

static void layer_close(connection_t *connection)
{
    (void)connection;
}

static bool answer_to(connection_t *connection, size_t count, const char **data, size_t *size)
{
    (void)connection;
    *data = answer != NULL ? answer : received;
    *size = answer != NULL ? answer_size : count;
    return true;
}

static void answer_taken(void)
{
}
#endif

static int open_listener(socket_address_t *address)
{
    int fd = socket_open(address);
    if (bind(fd, (struct sockaddr *)&address->storage, address->size) < 0) {
        fail_errno("bind");
    }
    if (address->type == SOCK_STREAM && listen(fd, LISTEN_BACKLOG) < 0) {
        fail_errno("listen");
    }
    socket_set_nonblocking(fd);
    if (getsockname(fd, (struct sockaddr *)&address->storage, &address->size) < 0) {
        fail_errno("getsockname");
    }
    return fd;
}

static void announce(const socket_address_t *address, const char *asked)
{
    if (address->storage.ss_family == AF_INET) {
        printf("{\"loop_class\": \"%s\", \"address\": \"%.3s:%d\"}\n", server_name, asked,
            ntohs(((const struct sockaddr_in *)&address->storage)->sin_port));
    } else {
        printf("{\"loop_class\": \"%s\", \"address\": \"%s\"}\n", server_name, asked);
    }
    fflush(stdout);
}

static void watch(int epoll, int operation, int fd, uint32_t events, void *owner)
{
    struct epoll_event event = {.events = events, .data.ptr = owner};
    if (epoll_ctl(epoll, operation, fd, &event) < 0) {
        fail_errno("epoll_ctl");
    }
}

static void accept_all(int epoll, int listener, bool is_tcp)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EAGAIN || errno == ECONNABORTED) {
                return;
            }
            fail_errno("accept");
        }
        if (is_tcp) {
            socket_send_without_delay(fd);
        }
        connection_t *connection = calloc(1, sizeof(*connection));
        if (connection == NULL) {
            fail("out of memory");
        }
        connection->fd = fd;
        layer_open(connection);
        watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, connection);
    }
}

static void connection_close(connection_t *connection)
{
    close(connection->fd);
    layer_close(connection);
    free(connection->unsent);
    free(connection);
}

/* Returns the number of bytes that the kernel took, -1 if the peer is gone. */
static ssize_t send_some(int fd, const char *data, size_t size)
{
    size_t sent = 0;
    while (sent < size) {
        ssize_t count = send(fd, data + sent, size - sent, MSG_NOSIGNAL);
        if (count < 0) {
            return errno == EAGAIN ? (ssize_t)sent : -1;
        }
        sent += (size_t)count;
    }
    return (ssize_t)sent;
}

static int keep_unsent(connection_t *connection, const char *data, size_t size)
{
    connection->unsent = malloc(size);
    if (connection->unsent == NULL) {
        return -1;
    }
    memcpy(connection->unsent, data, size);
    connection->offset = 0;
    connection->size = size;
    return 0;
}

static void on_readable(int epoll, connection_t *connection)
{
    ssize_t count = recv(connection->fd, received, sizeof(received), 0);
    if (count <= 0) {
        if (count == 0 || errno != EAGAIN) {
            connection_close(connection);
        }
        return;
    }
    const char *data;
    size_t size;
    bool goes_on = answer_to(connection, (size_t)count, &data, &size);
    ssize_t sent = send_some(connection->fd, data, size);
    bool is_unsent = sent >= 0 && (size_t)sent < size;
    bool is_kept = !is_unsent || keep_unsent(connection, data + sent, size - (size_t)sent) == 0;
    answer_taken();
    if (!goes_on || sent < 0 || !is_kept) {
        connection_close(connection);
        return;
    }
    if (is_unsent) {
        watch(epoll, EPOLL_CTL_MOD, connection->fd, EPOLLOUT, connection);
    }
}

static void on_writable(int epoll, connection_t *connection)
{
    ssize_t sent = send_some(connection->fd, connection->unsent + connection->offset, connection->size);
    if (sent < 0) {
        connection_close(connection);
        return;
    }
    connection->offset += (size_t)sent;
    connection->size -= (size_t)sent;
    if (connection->size == 0) {
        free(connection->unsent);
        connection->unsent = NULL;
        watch(epoll, EPOLL_CTL_MOD, connection->fd, EPOLLIN, connection);
    }
}

/* One recvfrom and one sendto a datagram while there are any. With an answer, each ANSWERED_DATAGRAMS get one. */
static void echo_datagrams(int fd)
{
    static unsigned unanswered;
    for (;;) {
        struct sockaddr_storage sender;
        socklen_t length = sizeof(sender);
        ssize_t count = recvfrom(fd, received, sizeof(received), 0, (struct sockaddr *)&sender, &length);
        if (count < 0) {
            if (errno == EAGAIN) {
                return;
            }
            fail_errno("recvfrom");
        }
        if (answer == NULL) {
            sendto(fd, received, (size_t)count, 0, (struct sockaddr *)&sender, length);
        } else if (++unanswered % ANSWERED_DATAGRAMS == 0) {
            sendto(fd, answer, answer_size, 0, (struct sockaddr *)&sender, length);
        }
    }
}

static void serve_datagrams(int fd)
{
    struct epoll_event event;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) {
        fail_errno("epoll_create1");
    }
    watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, NULL);
    for (;;) {
        if (epoll_wait(epoll, &event, 1, -1) > 0) {
            echo_datagrams(fd);
        }
    }
}

static void serve(int listener, bool is_tcp)
{
    struct epoll_event events[EVENTS_PER_WAIT];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) {
        fail_errno("epoll_create1");
    }
    watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS_PER_WAIT, -1);
        if (count < 0 && errno != EINTR) {
            fail_errno("epoll_wait");
        }
        for (int index = 0; index < count; index++) {
            connection_t *connection = events[index].data.ptr;
            if (connection == NULL) {
                accept_all(epoll, listener, is_tcp);
            } else if (connection->unsent != NULL) {
                on_writable(epoll, connection);
            } else {
                on_readable(epoll, connection);
            }
        }
    }
}

#ifdef WITH_TLS
static void prepare(const char *certificate_path)
{
    static char name[64];
    snprintf(name, sizeof(name), "C epoll, OpenSSL %s", OpenSSL_version(OPENSSL_VERSION_STRING));
    server_name = name;
    context = tls_server_context(certificate_path);
}
#else
static void prepare(const char *size)
{
    answer_size = strtoull(size, NULL, 10);
    answer = malloc(answer_size);
    if (answer == NULL) {
        fail("out of memory");
    }
    for (size_t index = 0; index < answer_size; index++) {
        answer[index] = (char)index;
    }
}
#endif

int main(int count, char **arguments)
{
    if (count < 2) {
        fail("limit_server ADDRESS [ANSWER_SIZE]");
    }
    socket_address_t address = socket_address_parse(arguments[1]);
    if (count > 2) {
        prepare(arguments[2]);
    }
    raise_descriptor_limit();
    int listener = open_listener(&address);
    announce(&address, arguments[1]);
    if (address.type == SOCK_DGRAM) {
        serve_datagrams(listener);
    }
    serve(listener, socket_address_is_tcp(&address));
}
