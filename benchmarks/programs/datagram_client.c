/* The client of the scenarios with datagrams, the same for every loop. datagram_client MODE ADDRESS UNDER_WAY SIZE ANSWER WAIT
 *
 * MODE: exchange keeps UNDER_WAY datagrams of SIZE bytes under way, each until its answer of ANSWER bytes has come. flood sends them
 * one way; the server answers every FLOOD_PART of them, and no more than UNDER_WAY are ahead of the answers, so none is dropped.
 * WAIT: spin (see session.py for the reason) or sleep.
 * Prints "{}" once it is ready. Then for each line on standard input, a count of datagrams, does that much and prints {"elapsed_ns",
 * "p99_ns"}: wall-clock time in all, and of single exchanges.
 * Promise: a datagram that is lost ends the program after STALL_NS without progress. The answers of exchange are checked.
 * Driven by session.py.
 */
#include "socket_address.h"

#include <poll.h>
#include <stdint.h>
#include <time.h>

enum { SLEEP_MS = 1000, FLOOD_PART = 32 };
static const uint64_t STALL_NS = 5000000000ull;

static int server;
static bool is_flood;
static bool is_spinning;
static size_t under_way_limit;
static size_t size_bytes;
static char *sent_data;
static char *received;
static uint64_t *began_ns; /* of the datagrams under way, by their number modulo the limit */
static uint64_t *latencies_ns;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static void *allocate(size_t size)
{
    void *memory = calloc(1, size);
    if (memory == NULL) {
        fail("out of memory");
    }
    return memory;
}

static void send_datagram(uint64_t number)
{
    memcpy(sent_data, &number, sizeof(number));
    began_ns[number % under_way_limit] = now_ns();
    while (send(server, sent_data, size_bytes, 0) < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            fail_errno("send");
        }
    }
}

/* Waits for an answer. Returns its size. */
static size_t receive_answer(uint64_t progress_ns)
{
    for (;;) {
        ssize_t count = recv(server, received, size_bytes, 0);
        if (count >= 0) {
            return (size_t)count;
        }
        if (errno != EAGAIN && errno != EINTR) {
            fail_errno("recv");
        }
        if (now_ns() - progress_ns > STALL_NS) {
            fail("no answer for %d s: a datagram was lost", (int)(STALL_NS / 1000000000ull));
        }
        if (!is_spinning) {
            struct pollfd one = {.fd = server, .events = POLLIN};
            poll(&one, 1, SLEEP_MS);
        }
    }
}

static void exchange(uint64_t count)
{
    uint64_t sent = 0, progress_ns = now_ns();
    for (uint64_t answered = 0; answered < count; answered++) {
        uint64_t number;
        for (; sent < count && sent - answered < under_way_limit; sent++) {
            send_datagram(sent);
        }
        if (receive_answer(progress_ns) != size_bytes || memcpy(&number, received, sizeof(number)) == NULL || number != answered) {
            fail("an answer differs from what was expected");
        }
        progress_ns = now_ns();
        latencies_ns[answered] = progress_ns - began_ns[answered % under_way_limit];
    }
}

/* Each answer stands for FLOOD_PART datagrams. */
static void flood(uint64_t count)
{
    uint64_t sent = 0, progress_ns = now_ns();
    count -= count % FLOOD_PART;
    for (uint64_t answered = 0; answered < count; answered += FLOOD_PART) {
        for (; sent < count && sent - answered < under_way_limit; sent++) {
            send_datagram(sent);
        }
        receive_answer(progress_ns);
        progress_ns = now_ns();
    }
}

static int compare_latencies(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static void run(uint64_t count)
{
    latencies_ns = allocate((count + 1) * sizeof(*latencies_ns));
    uint64_t start_ns = now_ns();
    (is_flood ? flood : exchange)(count);
    uint64_t elapsed_ns = now_ns() - start_ns;
    qsort(latencies_ns, count, sizeof(*latencies_ns), compare_latencies);
    uint64_t p99_ns = count == 0 ? 0 : latencies_ns[(count - 1) * 99 / 100];
    printf("{\"elapsed_ns\": %llu, \"p99_ns\": %llu}\n", (unsigned long long)elapsed_ns, (unsigned long long)p99_ns);
    fflush(stdout);
    free(latencies_ns);
}

int main(int count, char **arguments)
{
    char line[64];
    if (count != 7) {
        fail("datagram_client exchange|flood ADDRESS UNDER_WAY SIZE ANSWER spin|sleep");
    }
    is_flood = strcmp(arguments[1], "flood") == 0;
    socket_address_t address = socket_address_parse(arguments[2]);
    under_way_limit = strtoull(arguments[3], NULL, 10);
    size_bytes = strtoull(arguments[4], NULL, 10);
    is_spinning = strcmp(arguments[6], "spin") == 0;
    if (size_bytes < sizeof(uint64_t) || (is_flood && under_way_limit < FLOOD_PART)) {
        fail("too small");
    }
    sent_data = allocate(size_bytes);
    received = allocate(size_bytes);
    began_ns = allocate(under_way_limit * sizeof(*began_ns));
    server = socket_open(&address);
    if (connect(server, (struct sockaddr *)&address.storage, address.size) < 0) {
        fail_errno("connect");
    }
    socket_set_nonblocking(server);
    printf("{}\n");
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        run(strtoull(line, NULL, 10));
    }
    return 0;
}
