/* The load: a producer or many consumers in one thread, for any server that speaks the protocol.
 *
 *   load produce PORT TOPIC PARTITION CONNECTIONS IN_FLIGHT BATCH_BYTES SECONDS BYTES_MAX
 *        closed loop: every connection keeps IN_FLIGHT requests under way
 *   load latency PORT TOPIC PARTITION CONNECTIONS RATE BATCH_BYTES SECONDS
 *        open loop: RATE requests a second at fixed times, whatever the answers do; latency counts
 *        from the time a request was due, so a server that stalls cannot hide it
 *   load consume PORT TOPIC PARTITION CONSUMERS END_OFFSET SLICE_BYTES
 *        every consumer has a connection of its own and reads [0, END_OFFSET) by StreamFetch,
 *        telling its offset after each response
 *
 * Prints one line of JSON. A wrong answer ends it with a message: what is measured is right.
 * It spins instead of sleeping where time counts, so it wants a core of its own.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "crc32c.h"
#include "wire.h"

enum { IN_SIZE = 256 * 1024, PIECES_MAX = 512, IN_FLIGHT_MAX = 4096, CONNECTIONS_MAX = 4096 };

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int dial(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) FAIL_ERRNO("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static int watch_all(const int *fds, int count, uint32_t what) {
    int poller = epoll_create1(0);
    for (int index = 0; index < count; index++) {
        struct epoll_event event = {.events = what, .data.u32 = (uint32_t)index};
        epoll_ctl(poller, EPOLL_CTL_ADD, fds[index], &event);
    }
    return poller;
}

/* ---- Producing: both loops share frames, sending and the reading of answers. ---- */

typedef struct {
    int fd;
    uint32_t sent, acknowledged; /* requests; a correlation id is a request's number */
    uint32_t queued;             /* requests that are due, sent or not */
    size_t sent_of_next;         /* bytes of request number `sent` that are out already */
    uint8_t in[8192];
    size_t in_size;
    double *due; /* open loop: when each request was due, by number modulo IN_FLIGHT_MAX */
} producer;

static producer producers[CONNECTIONS_MAX];
static uint8_t *body; /* what follows the correlation id: the same for every request */
static size_t body_size, batch_size;
static uint32_t records_per_batch;
static uint64_t end_offset_seen;

enum { HEAD_SIZE = 12 }; /* length, key, version, correlation id */

static uint8_t *put_varint(uint8_t *p, int64_t value) {
    uint64_t zigzag = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
    while (zigzag >= 0x80) {
        *p++ = (uint8_t)(zigzag | 0x80);
        zigzag >>= 7;
    }
    return put8(p, (uint8_t)zigzag);
}

static size_t varint_size(int64_t value) {
    uint8_t scratch[10];
    return (size_t)(put_varint(scratch, value) - scratch);
}

static uint8_t *put_record(uint8_t *p, uint32_t index, size_t value_size) {
    size_t size = 1 + 1 + varint_size(index) + 1 + varint_size((int64_t)value_size) + value_size + 1;
    p = put_varint(p, (int64_t)size);
    p = put8(p, 0);
    p = put_varint(p, 0);
    p = put_varint(p, index);
    p = put8(p, 0); /* no key */
    p = put_varint(p, (int64_t)value_size);
    for (size_t at = 0; at < value_size; at++) *p++ = (uint8_t)('a' + (index * 7 + at) % 26);
    return put8(p, 0);
}

/* One request whose batch is exactly `wanted` bytes: records of 100 bytes, the last fills up. */
static void make_body(const char *topic, uint32_t partition, size_t wanted) {
    batch_size = wanted;
    body = malloc(wanted + 512);
    uint8_t *p = put_string(body, "bench");
    p = put8(p, 0);     /* no transaction */
    p = put16(p, 1);    /* read uncommitted */
    p = put32(p, 1500); /* timeout */
    p = put32(p, 1);
    p = put_string(p, topic);
    p = put32(p, 1);
    p = put32(p, partition);
    p = put32(p, (uint32_t)wanted);
    uint8_t *batch = p, *end = batch + wanted;
    p += BATCH_HEADER + 4;
    for (; end - p > 400; records_per_batch++) p = put_record(p, records_per_batch, 100);
    size_t rest = (size_t)(end - p), value_size = rest;
    for (;; value_size--) { /* the value that makes the last record end where the batch does */
        uint8_t scratch[1024];
        if ((size_t)(put_record(scratch, records_per_batch, value_size) - scratch) <= rest) break;
    }
    p = put_record(p, records_per_batch++, value_size);
    batch_size = (size_t)(p - batch); /* a varint may leave a byte over */
    put32(batch - 4, (uint32_t)batch_size);
    put64(batch, records_per_batch - 1);
    put32(batch + BATCH_LENGTH_AT, (uint32_t)(batch_size - BATCH_PREAMBLE));
    put32(batch + 12, ~0u);
    put8(batch + 16, 2);
    put16(batch + BATCH_ATTRIBUTES_AT, 0);
    put32(batch + BATCH_LAST_DELTA_AT, records_per_batch - 1);
    put64(batch + 27, 1700000000000);
    put64(batch + 35, 1700000000000);
    memset(batch + 43, 0xff, 14);
    put32(batch + BATCH_HEADER, records_per_batch);
    put32(batch + BATCH_CRC_AT,
          crc32c(batch + BATCH_ATTRIBUTES_AT, batch_size - BATCH_ATTRIBUTES_AT));
    p = put32(p, 0); /* no SmartModules */
    body_size = (size_t)(p - body);
}

/* Send as many due requests as the socket takes, up to PIECES_MAX / 2 at once. */
static void send_due(producer *c) {
    static uint8_t heads[PIECES_MAX / 2][HEAD_SIZE];
    size_t whole = HEAD_SIZE + body_size;
    while (c->sent != c->queued) {
        struct iovec pieces[PIECES_MAX];
        int count = 0, requests = 0;
        for (uint32_t number = c->sent; number != c->queued && requests < PIECES_MAX / 2;
             number++, requests++) {
            uint8_t *head = heads[requests];
            put32(head, (uint32_t)(whole - 4));
            put16(head + 4, KEY_PRODUCE);
            put16(head + 6, API_VERSION);
            put32(head + 8, number);
            pieces[count++] = (struct iovec){head, HEAD_SIZE};
            pieces[count++] = (struct iovec){body, body_size};
        }
        struct iovec *first = pieces;
        size_t skip = c->sent_of_next;
        while (skip >= first->iov_len) {
            skip -= first->iov_len;
            first++;
        }
        first->iov_base = (uint8_t *)first->iov_base + skip;
        first->iov_len -= skip;
        struct msghdr message = {.msg_iov = first,
                                 .msg_iovlen = (size_t)(pieces + count - first)};
        ssize_t sent = sendmsg(c->fd, &message, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EAGAIN) return;
            FAIL_ERRNO("send");
        }
        size_t done = c->sent_of_next + (size_t)sent;
        c->sent += (uint32_t)(done / whole);
        c->sent_of_next = done % whole;
    }
}

static void check_answer(const uint8_t *frame, const char *topic) {
    const uint8_t *p = frame + 8 + 4 + 2 + strlen(topic) + 4 + 4;
    if (get16(p)) FAIL("produce was refused with error %d", (int16_t)get16(p));
    uint64_t end = get64(p + 2) + records_per_batch;
    if (end > end_offset_seen) end_offset_seen = end;
}

/* Read the answers that are there; `on_answer` gets the request's number. */
static uint32_t read_answers(producer *c, const char *topic,
                             void (*on_answer)(producer *, uint32_t)) {
    uint32_t answers = 0;
    for (;;) {
        ssize_t got = recv(c->fd, c->in + c->in_size, sizeof c->in - c->in_size, 0);
        if (got == 0) FAIL("the server closed the connection");
        if (got < 0) {
            if (errno == EAGAIN) return answers;
            FAIL_ERRNO("recv");
        }
        c->in_size += (size_t)got;
        size_t position = 0;
        while (c->in_size - position >= 4) {
            size_t whole = 4 + (size_t)get32(c->in + position);
            if (whole > sizeof c->in) FAIL("an answer of %zu bytes", whole);
            if (c->in_size - position < whole) break;
            check_answer(c->in + position, topic);
            if (on_answer) on_answer(c, get32(c->in + position + 4));
            answers++;
            position += whole;
        }
        c->in_size -= position;
        memmove(c->in, c->in + position, c->in_size);
        if ((size_t)got < sizeof c->in / 2) return answers;
    }
}

static int open_producers(int port, int count) {
    static int fds[CONNECTIONS_MAX];
    for (int index = 0; index < count; index++) fds[index] = producers[index].fd = dial(port);
    return watch_all(fds, count, EPOLLIN | EPOLLOUT | EPOLLET);
}

static void run_produce(int port, const char *topic, int connections, uint32_t in_flight,
                        double seconds, double bytes_max) {
    int poller = open_producers(port, connections);
    uint64_t requests = 0, requests_at_start = 0, requests_max;
    double begin = now(), start = 0, stop = 0, warm_up = seconds < 1.2 ? seconds / 4 : 0.3;
    requests_max = (uint64_t)(bytes_max / (double)batch_size) + 1;
    for (int index = 0; index < connections; index++) {
        producers[index].queued = in_flight;
        send_due(&producers[index]);
    }
    struct epoll_event events[256];
    for (;;) {
        int count = epoll_wait(poller, events, 256, 1000);
        for (int index = 0; index < count; index++) {
            producer *c = &producers[events[index].data.u32];
            uint32_t answers = read_answers(c, topic, NULL);
            requests += answers;
            c->acknowledged += answers;
            c->queued = c->acknowledged + in_flight;
            send_due(c);
        }
        double time = now();
        if (!start && (time - begin >= warm_up || requests >= requests_max / 4)) {
            start = time;
            requests_at_start = requests;
        }
        /* Something must have been measured, however late a busy machine let us run. */
        int measured_any = start && requests > requests_at_start;
        if (measured_any && (time - begin >= seconds || requests >= requests_max)) {
            stop = time;
            break;
        }
        if (!count) FAIL("no answer for a second");
    }
    uint64_t measured = requests - requests_at_start;
    /* Let what is under way arrive, so that the end offset is that of the log. */
    for (int index = 0; index < connections; index++) {
        producer *c = &producers[index];
        c->queued = c->sent + (c->sent_of_next ? 1 : 0);
        double deadline = now() + 30;
        while (c->acknowledged != c->queued) {
            send_due(c);
            c->acknowledged += read_answers(c, topic, NULL);
            if (now() > deadline) FAIL("an acknowledgement is missing");
        }
    }
    uint64_t total = 0;
    for (int index = 0; index < connections; index++) total += producers[index].acknowledged;
    printf("{\"requests\": %lu, \"bytes\": %lu, \"seconds\": %.6f, \"bytes_all\": %lu, "
           "\"records_per_batch\": %u, \"end_offset\": %lu}\n",
           measured, measured * batch_size, stop - start, total * batch_size, records_per_batch,
           end_offset_seen);
}

/* ---- Open loop. ---- */

static double *latencies;
static size_t latency_count;
static double latency_from;

static void note_latency(producer *c, uint32_t number) {
    double due = c->due[number % IN_FLIGHT_MAX];
    if (due >= latency_from) latencies[latency_count++] = now() - due;
}

static int compare(const void *one, const void *two) {
    double a = *(const double *)one, b = *(const double *)two;
    return (a > b) - (a < b);
}

static double percentile(double part) {
    return latencies[(size_t)(part * (double)(latency_count - 1))] * 1e6;
}

static void run_latency(int port, const char *topic, int connections, double rate,
                        double seconds) {
    open_producers(port, connections);
    for (int index = 0; index < connections; index++)
        producers[index].due = calloc(IN_FLIGHT_MAX, sizeof(double));
    uint64_t count = (uint64_t)(rate * seconds), due = 0, answered = 0;
    latencies = calloc(count + 1, sizeof *latencies);
    double begin = now() + 0.01;
    latency_from = begin + 0.3;
    while (answered < count) {
        double time = now();
        while (due < count && begin + (double)due / rate <= time) {
            producer *c = &producers[due % (uint64_t)connections];
            c->due[c->queued % IN_FLIGHT_MAX] = begin + (double)due / rate;
            c->queued++;
            due++;
            if (c->queued - c->acknowledged > IN_FLIGHT_MAX) FAIL("the server cannot keep up");
            send_due(c);
        }
        for (int index = 0; index < connections; index++) {
            producer *c = &producers[index];
            if (c->acknowledged == c->queued) continue;
            if (c->sent != c->queued) send_due(c);
            uint32_t answers = read_answers(c, topic, note_latency);
            c->acknowledged += answers;
            answered += answers;
        }
        if (time > begin + seconds + 30) FAIL("an acknowledgement is missing");
    }
    qsort(latencies, latency_count, sizeof *latencies, compare);
    printf("{\"requests\": %zu, \"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}\n",
           latency_count, percentile(0.5), percentile(0.99), percentile(1.0));
}

/* ---- Consuming: batches are walked as they arrive, their records are not kept. ---- */

typedef struct {
    int fd;
    enum { IN_HEAD, IN_BATCH_HEAD, IN_BATCH, IN_OTHER } state;
    uint8_t head[256];
    size_t head_size;
    size_t skip; /* bytes of the batch or foreign frame still to come */
    size_t left; /* bytes of this record set still to come */
    uint64_t next_offset, bytes;
    uint32_t stream_id;
    int done;
} consumer;

/* What follows the topic: stream 4, partition 4, error 2, high watermark 8, filter offset 8, log
 * start 8, aborted 1, length of the record set 4. */
enum { RESPONSE_TAIL = 39, READS_PER_TURN = 16 };

static consumer consumers[CONNECTIONS_MAX];
static size_t response_head_size;

static void send_whole(int fd, const uint8_t *data, size_t size) {
    while (size) { /* a few dozen bytes always fit, except for a moment */
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) FAIL_ERRNO("send");
        if (sent > 0) {
            data += sent;
            size -= (size_t)sent;
        }
    }
}

static uint8_t *put_request(uint8_t *p, uint16_t key, uint16_t version, uint32_t correlation) {
    p = put16(p + 4, key);
    p = put16(p, version);
    p = put32(p, correlation);
    return put_string(p, "bench");
}

static void send_request(int fd, uint8_t *start, uint8_t *end) {
    put32(start, (uint32_t)(end - start - 4));
    send_whole(fd, start, (size_t)(end - start));
}

static void open_stream(consumer *c, const char *topic, uint32_t partition, uint32_t slice) {
    uint8_t request[256], *p = put_request(request, KEY_STREAM_FETCH, API_VERSION, 1);
    p = put_string(p, topic);
    p = put32(p, partition);
    p = put64(p, 0);
    p = put32(p, slice);
    p = put8(p, 0);  /* read uncommitted */
    p = put32(p, 0); /* no SmartModules */
    p = put8(p, 0);  /* no consumer id */
    send_request(c->fd, request, p);
}

static void tell_offset(consumer *c) {
    uint8_t request[64], *p = put_request(request, KEY_UPDATE_OFFSETS, 0, 2);
    p = put32(p, 1);
    p = put64(p, c->next_offset);
    p = put32(p, c->stream_id);
    send_request(c->fd, request, p);
}

/* Collect bytes of a head until it has `size`; returns what was taken. */
static size_t collect(consumer *c, const uint8_t *data, size_t available, size_t size) {
    size_t take = size - c->head_size;
    if (take > available) take = available;
    memcpy(c->head + c->head_size, data, take);
    c->head_size += take;
    return take;
}

static void end_of_response(consumer *c, uint64_t end_offset) {
    c->state = IN_HEAD;
    c->head_size = 0;
    if (c->next_offset >= end_offset) c->done = 1;
    else tell_offset(c);
}

static void consume_bytes(consumer *c, const uint8_t *data, size_t size, uint64_t end_offset) {
    while (size && !c->done) {
        size_t take = 0;
        switch (c->state) {
        case IN_HEAD: {
            take = collect(c, data, size, c->head_size < 8 ? 8 : response_head_size);
            if (c->head_size < 8) break;
            if (get32(c->head + 4) != 1) { /* the answer to an offset */
                c->skip = get32(c->head) - 4;
                c->state = IN_OTHER;
                c->head_size = 0;
                break;
            }
            if (c->head_size < response_head_size) break;
            const uint8_t *tail = c->head + response_head_size - RESPONSE_TAIL;
            c->stream_id = get32(tail);
            if (get16(tail + 8)) FAIL("consume was refused: error %d", (int16_t)get16(tail + 8));
            c->left = get32(tail + RESPONSE_TAIL - 4);
            c->state = IN_BATCH_HEAD;
            c->head_size = 0;
            if (!c->left) FAIL("a response without records");
            break;
        }
        case IN_BATCH_HEAD:
            take = collect(c, data, size, 27);
            if (c->head_size < 27) break;
            c->skip = BATCH_PREAMBLE + get32(c->head + BATCH_LENGTH_AT);
            if (c->skip > c->left) FAIL("a batch was cut");
            if (c->next_offset != get64(c->head))
                FAIL("offset %lu follows %lu", get64(c->head), c->next_offset);
            c->next_offset = get64(c->head) + get32(c->head + BATCH_LAST_DELTA_AT) + 1;
            c->bytes += c->skip;
            c->left -= c->skip;
            c->skip -= 27;
            c->state = IN_BATCH;
            c->head_size = 0;
            break;
        case IN_BATCH:
        case IN_OTHER:
            take = c->skip < size ? c->skip : size;
            c->skip -= take;
            if (c->skip) break;
            if (c->state == IN_OTHER) c->state = IN_HEAD;
            else if (c->left) c->state = IN_BATCH_HEAD;
            else end_of_response(c, end_offset);
            break;
        }
        data += take;
        size -= take;
    }
}

static void run_consume(int port, const char *topic, uint32_t partition, int count,
                        uint64_t end_offset, uint32_t slice) {
    static uint8_t in[IN_SIZE];
    static int fds[CONNECTIONS_MAX];
    int open = count;
    response_head_size = 4 + 4 + 2 + strlen(topic) + RESPONSE_TAIL;
    for (int index = 0; index < count; index++) fds[index] = consumers[index].fd = dial(port);
    int poller = watch_all(fds, count, EPOLLIN);
    double begin = now();
    for (int index = 0; index < count; index++)
        open_stream(&consumers[index], topic, partition, slice);
    struct epoll_event events[256];
    while (open) {
        int ready = epoll_wait(poller, events, 256, 10000);
        if (!ready) FAIL("no data for ten seconds");
        for (int index = 0; index < ready; index++) {
            consumer *c = &consumers[events[index].data.u32];
            for (int reads = 0; reads < READS_PER_TURN && !c->done; reads++) {
                ssize_t got = recv(c->fd, in, sizeof in, 0);
                if (got == 0) FAIL("the server closed the connection");
                if (got < 0) {
                    if (errno == EAGAIN) break;
                    FAIL_ERRNO("recv");
                }
                consume_bytes(c, in, (size_t)got, end_offset);
                if (c->done) {
                    open--;
                    close(c->fd);
                }
            }
        }
    }
    double seconds = now() - begin;
    uint64_t bytes = 0;
    for (int index = 0; index < count; index++) bytes += consumers[index].bytes;
    printf("{\"bytes\": %lu, \"seconds\": %.6f}\n", bytes, seconds);
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    crc32c_init();
    if (argc < 6) FAIL("usage: see the head of load.c");
    const char *mode = argv[1], *topic = argv[3];
    int port = atoi(argv[2]), connections = atoi(argv[5]);
    uint32_t partition = (uint32_t)atoi(argv[4]);
    if (connections < 1 || connections > CONNECTIONS_MAX) FAIL("1 to %d connections", CONNECTIONS_MAX);
    if (strlen(topic) > 63) FAIL("a topic's name has at most 63 characters");
    if (!strcmp(mode, "produce") && argc == 10) {
        make_body(topic, partition, (size_t)atol(argv[7]));
        run_produce(port, topic, connections, (uint32_t)atoi(argv[6]), atof(argv[8]),
                    atof(argv[9]));
    } else if (!strcmp(mode, "latency") && argc == 9) {
        make_body(topic, partition, (size_t)atol(argv[7]));
        run_latency(port, topic, connections, atof(argv[6]), atof(argv[8]));
    } else if (!strcmp(mode, "consume") && argc == 8) {
        run_consume(port, topic, partition, connections, strtoull(argv[6], NULL, 10),
                    (uint32_t)atoi(argv[7]));
    } else {
        FAIL("usage: see the head of load.c");
    }
    return 0;
}
