/* The load client's side of a connection without TLS. tls_stream.h has the same functions.
 *
 * Owns: the descriptor. Sending and receiving never block: -1 with EAGAIN says that it would.
 */
#ifndef BENCHMARKS_PLAIN_STREAM_H
#define BENCHMARKS_PLAIN_STREAM_H

typedef struct {
    int fd;
} stream_t;

static void stream_open(stream_t *stream, int fd)
{
    stream->fd = fd;
}

static void stream_await_handshake(stream_t *stream)
{
    (void)stream;
}

static void stream_close(stream_t *stream)
{
    close(stream->fd);
    stream->fd = -1;
}

static ssize_t stream_send(stream_t *stream, const char *data, size_t size)
{
    return send(stream->fd, data, size, 0);
}

/* What a sender that would block waits for. */
static short stream_event_to_send(const stream_t *stream)
{
    (void)stream;
    return POLLOUT;
}

static ssize_t stream_receive(stream_t *stream, char *data, size_t size)
{
    return recv(stream->fd, data, size, 0);
}

static void stream_resume_sessions(void)
{
    fail("only TLS has sessions");
}

#endif
