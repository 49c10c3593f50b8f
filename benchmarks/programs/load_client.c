/* The client of the scenarios with connections, the same for every loop; compiled with WITH_TLS, that of TLS. load_client MODE ADDRESS CONNECTIONS REQUEST ANSWER WAIT LINE
 *
 * MODE: exchange keeps its connections and has one request of REQUEST bytes under way on each, whose answer of ANSWER bytes it awaits.
 * reconnect opens a new connection for every request, resume too, with a TLS session that it has from an earlier one. burst opens all its connections, sends a request and the end of file on each,
 * prints "{}" and awaits another line; the time counts from then, until the server has answered and closed each. download and upload
 * move bulk on one connection.
 * WAIT: spin (see session.py for the reason) or sleep.
 * LINE: the length of the lines in requests, with their ends; 0 if they are not made of lines.
 * Prints "{}" once it is connected. Then for each line on standard input, a count (of requests on each connection, or of bytes), does
 * that much and prints {"elapsed_ns", "p99_ns"}: wall-clock time in all, and of single requests.
 * Promise: checks the first answer on each connection byte for byte; gives up after STALL_NS without progress.
 * Driven by session.py.
 */
#include "socket_address.h"

#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <time.h>

#ifdef WITH_TLS
#include "tls_stream.h"
#else
#include "plain_stream.h"
#endif

enum {
    BULK_BYTES = 256 * 1024,
    SLEEP_MS = 1000,
    CONNECTIONS_PER_SOURCE = 10000,
    SOURCES = 250,
};
static const uint64_t STALL_NS = 5000000000ull;

/* One request and its answer; sent and received count bytes of it. */
typedef struct {
    stream_t stream;
    bool is_checked;
    bool has_ended;
    size_t sent;
    size_t received;
    uint64_t began_ns;
    uint64_t remaining;
} connection_t;

static socket_address_t server;
static bool is_reconnecting;
static bool is_burst;
static bool is_spinning;
static size_t connection_count;
static size_t request_size;
static size_t answer_size;
static connection_t *connections;
static struct pollfd *polled;
static char *pattern;
static char *buffer;
static uint64_t *latencies_ns;
static size_t latency_count;
static uint64_t progress_ns;
static uint64_t start_ns;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static void *allocate(size_t size)
{
    void *memory = malloc(size);
    if (memory == NULL) {
        fail("out of memory");
    }
    return memory;
}

static void give_up_if_stalled(void)
{
    if (now_ns() - progress_ns > STALL_NS) {
        fail("no answer for %d s", (int)(STALL_NS / 1000000000ull));
    }
}

/* A source address has some 28,000 ports, each out of use for a minute after its connection. Linux gives the whole of
 * 127.0.0.0/8 to the loopback interface: each process takes addresses of its own there, one after the other. */
static void choose_source(int fd)
{
#ifdef __linux__
    static unsigned opened;
    int one = 1;
    struct sockaddr_in source = {.sin_family = AF_INET};
    unsigned pid = (unsigned)getpid(), turn = opened++ / CONNECTIONS_PER_SOURCE;
    source.sin_addr.s_addr = htonl(0x7f000001u | (1 + pid % SOURCES) << 16 | (turn % SOURCES) << 8);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&source, sizeof(source)) < 0) {
        fail_errno("bind");
    }
#else
    (void)fd;
#endif
}

static int open_connection(void)
{
    int fd = socket_open(&server);
    if (socket_address_is_tcp(&server)) {
        choose_source(fd);
    }
    if (connect(fd, (struct sockaddr *)&server.storage, server.size) < 0) {
        fail_errno("connect");
    }
    socket_set_nonblocking(fd);
    if (socket_address_is_tcp(&server)) {
        socket_send_without_delay(fd);
    }
    return fd;
}

/* In as few calls as possible, so that the client's half of a short connection is the smaller one. Over the loopback interface it is
 * there when connect() returns, also one that does not wait; and a single message is not delayed. */
static int open_short_connection(void)
{
#ifdef SOCK_NONBLOCK
    int fd = socket(server.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        fail_errno("socket");
    }
    if (socket_address_is_tcp(&server)) {
        choose_source(fd);
    }
    if (connect(fd, (struct sockaddr *)&server.storage, server.size) < 0 && errno != EINPROGRESS) {
        fail_errno("connect");
    }
    return fd;
#else
    return open_connection();
#endif
}

static void begin_request(connection_t *connection)
{
    connection->began_ns = now_ns();
    if (connection->stream.fd < 0) {
        stream_open(&connection->stream, is_burst ? open_connection() : open_short_connection());
    }
    connection->sent = connection->received = 0;
    connection->has_ended = false;
}

static void end_request(connection_t *connection)
{
    uint64_t end_ns = now_ns();
    latencies_ns[latency_count++] = end_ns - connection->began_ns;
    progress_ns = end_ns;
    connection->is_checked = true;
    if (is_reconnecting) {
        stream_close(&connection->stream);
    }
}

static void send_request(connection_t *connection)
{
    while (connection->sent < request_size) {
        ssize_t count = stream_send(&connection->stream, pattern + connection->sent, request_size - connection->sent);
        if (count < 0) {
            if (errno == EAGAIN) {
                return;
            }
            fail_errno("send");
        }
        connection->sent += (size_t)count;
    }
    if (is_burst && !connection->has_ended) {
        connection->has_ended = true;
        shutdown(connection->stream.fd, SHUT_WR);
    }
}

static bool server_has_closed(connection_t *connection)
{
    ssize_t count = stream_receive(&connection->stream, buffer, 1);
    if (count > 0) {
        fail("the server sent more than was expected");
    }
    if (count < 0 && errno != EAGAIN) {
        fail_errno("recv");
    }
    return count == 0;
}

/* Returns whether the answer is complete. */
static bool receive_answer(connection_t *connection)
{
    while (connection->received < answer_size) {
        ssize_t count = stream_receive(&connection->stream, buffer, answer_size - connection->received);
        if (count < 0) {
            if (errno == EAGAIN) {
                return false;
            }
            fail_errno("recv");
        }
        if (count == 0) {
            fail("the server closed a connection");
        }
        if (!connection->is_checked && memcmp(buffer, pattern + connection->received, (size_t)count) != 0) {
            fail("the answer differs from what was expected");
        }
        connection->received += (size_t)count;
    }
    return !is_burst || server_has_closed(connection);
}

/* Advances a connection until it would have to wait. Returns whether it still has something to do. */
static bool advance(connection_t *connection, bool is_readable)
{
    send_request(connection);
    while (is_readable && receive_answer(connection)) {
        end_request(connection);
        if (--connection->remaining == 0) {
            return false;
        }
        begin_request(connection);
        send_request(connection);
        /* With several connections the others come first; one alone looks at once. */
        is_readable = connection_count == 1 && is_spinning;
    }
    return true;
}

static void note_interest(size_t index, bool is_active)
{
    connection_t *connection = &connections[index];
    polled[index].fd = is_active ? connection->stream.fd : -1;
    polled[index].events = connection->sent < request_size ? POLLIN | stream_event_to_send(&connection->stream) : POLLIN;
}

/* All connections and requests are with the kernel: begin when told to. */
static void await_start(void)
{
    char line[64];
    printf("{}\n");
    fflush(stdout);
    if (fgets(line, sizeof(line), stdin) == NULL) {
        fail("nobody said when to begin");
    }
    start_ns = now_ns();
    for (size_t index = 0; index < connection_count; index++) {
        connections[index].began_ns = start_ns;
    }
}

static void begin_exchange(uint64_t count)
{
    latency_count = 0;
    latencies_ns = realloc(latencies_ns, count * connection_count * sizeof(*latencies_ns));
    if (latencies_ns == NULL) {
        fail("out of memory");
    }
    for (size_t index = 0; index < connection_count; index++) {
        connections[index].remaining = count;
        begin_request(&connections[index]);
        send_request(&connections[index]);
        note_interest(index, true);
    }
    if (is_burst) {
        await_start();
    }
    progress_ns = now_ns();
}

/* Waits for reports and handles them. Returns how many connections have ended.
 * poll(2) with no time to wait leaves nothing behind in the sockets that the server's send would have to look after. */
static size_t handle_reports(void)
{
    size_t ended = 0;
    int ready = poll(polled, connection_count, is_spinning ? 0 : SLEEP_MS);
    if (ready <= 0) {
        give_up_if_stalled();
    }
    for (size_t index = 0; ready > 0 && index < connection_count; index++) {
        if (polled[index].fd < 0 || polled[index].revents == 0) {
            continue;
        }
        ready--;
        bool is_active = advance(&connections[index], polled[index].revents != POLLOUT);
        note_interest(index, is_active);
        ended += !is_active;
    }
    return ended;
}

static void exchange(uint64_t count)
{
    begin_exchange(count);
    if (connection_count == 1 && is_spinning) {
        while (advance(&connections[0], true)) {
            give_up_if_stalled();
        }
        return;
    }
    for (size_t active = connection_count; active > 0;) {
        active -= handle_reports();
    }
}

static void await_event(int fd, short events)
{
    struct pollfd one = {.fd = fd, .events = events};
    while (poll(&one, 1, is_spinning ? 0 : SLEEP_MS) <= 0) {
        give_up_if_stalled();
    }
    progress_ns = now_ns();
}

static void send_all(stream_t *stream, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t count = stream_send(stream, data, size);
        if (count >= 0) {
            data += count;
            size -= (size_t)count;
        } else if (errno == EAGAIN) {
            await_event(stream->fd, stream_event_to_send(stream));
        } else {
            fail_errno("send");
        }
    }
}

static void receive_bytes(stream_t *stream, uint64_t size)
{
    while (size > 0) {
        ssize_t count = stream_receive(stream, buffer, size < BULK_BYTES ? (size_t)size : BULK_BYTES);
        if (count > 0) {
            size -= (uint64_t)count;
        } else if (count == 0) {
            fail("the server closed a connection");
        } else if (errno == EAGAIN) {
            await_event(stream->fd, POLLIN);
        } else {
            fail_errno("recv");
        }
    }
}

/* Eight bytes say how much; then it moves, and an upload is acknowledged by one byte. */
static void move_bulk(uint64_t size, bool is_upload)
{
    stream_t *stream = &connections[0].stream;
    unsigned char head[8];
    for (int index = 0; index < 8; index++) {
        head[index] = (unsigned char)(size >> (56 - 8 * index));
    }
    progress_ns = now_ns();
    send_all(stream, (char *)head, sizeof(head));
    if (is_upload) {
        for (uint64_t left = size; left > 0;) {
            size_t part = left < BULK_BYTES ? (size_t)left : BULK_BYTES;
            send_all(stream, buffer, part);
            left -= part;
        }
        receive_bytes(stream, 1);
    } else {
        receive_bytes(stream, size);
    }
}

static int compare_latencies(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static void print_figures(uint64_t elapsed_ns)
{
    qsort(latencies_ns, latency_count, sizeof(*latencies_ns), compare_latencies);
    uint64_t p99_ns = latency_count == 0 ? 0 : latencies_ns[(latency_count - 1) * 99 / 100];
    printf("{\"elapsed_ns\": %llu, \"p99_ns\": %llu}\n", (unsigned long long)elapsed_ns, (unsigned long long)p99_ns);
    fflush(stdout);
}

static void make_lines(size_t size, size_t line_size)
{
    for (size_t index = 0; index < size; index++) {
        pattern[index] = (index + 1) % line_size == 0 ? '\n' : (char)('a' + index % 26);
    }
}

static void prepare(char **arguments)
{
    server = socket_address_parse(arguments[2]);
    connection_count = strtoull(arguments[3], NULL, 10);
    request_size = strtoull(arguments[4], NULL, 10);
    answer_size = strtoull(arguments[5], NULL, 10);
    is_spinning = strcmp(arguments[6], "spin") == 0;
    connections = allocate(connection_count * sizeof(*connections));
    polled = allocate(connection_count * sizeof(*polled));
    size_t longest = request_size > answer_size ? request_size : answer_size;
    pattern = allocate(longest + 1);
    for (size_t index = 0; index < longest; index++) {
        pattern[index] = (char)index;
    }
    size_t line_size = strtoull(arguments[7], NULL, 10);
    if (line_size > 0) {
        make_lines(longest, line_size);
    }
    buffer = allocate(longest > BULK_BYTES ? longest : BULK_BYTES);
    memset(buffer, 'x', BULK_BYTES);
    raise_descriptor_limit();
    signal(SIGPIPE, SIG_IGN);
    for (size_t index = 0; index < connection_count; index++) {
        memset(&connections[index], 0, sizeof(connections)[index]);
        connections[index].stream.fd = -1;
        if (!is_reconnecting) {
            stream_open(&connections[index].stream, open_connection());
            /* One after the other, so that what many handshakes at once leave behind is not taken for the memory of idle connections. */
            stream_await_handshake(&connections[index].stream);
        }
    }
}

int main(int count, char **arguments)
{
    char line[64];
    if (count != 8) {
        fail("load_client exchange|reconnect|resume|burst|download|upload ADDRESS CONNECTIONS REQUEST ANSWER spin|sleep LINE");
    }
    const char *mode = arguments[1];
    is_burst = strcmp(mode, "burst") == 0;
    bool is_resuming = strcmp(mode, "resume") == 0;
    is_reconnecting = is_burst || is_resuming || strcmp(mode, "reconnect") == 0;
    if (is_resuming) {
        stream_resume_sessions();
    }
    prepare(arguments);
    printf("{}\n");
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        uint64_t amount = strtoull(line, NULL, 10);
        start_ns = now_ns();
        if (strcmp(mode, "download") == 0 || strcmp(mode, "upload") == 0) {
            move_bulk(amount, strcmp(mode, "upload") == 0);
        } else {
            exchange(amount);
        }
        print_figures(now_ns() - start_ns);
    }
    return 0;
}
