/* The floor: what one thread of C needs for an SPU's work on one partition.
 *
 *   floor FILE           listens on a free port of 127.0.0.1, prints it, serves until killed
 *
 * Produce (version 24, one topic, one partition): receive, cut into frames, walk the headers,
 * check every batch's CRC-32C, stamp its base offset, append with one writev per read (the file is
 * preallocated in steps of 64 MiB), acknowledge all of a read with one send.
 * StreamFetch: whole batches from an mmap of the file up to the asked size, sent with one sendmsg;
 * the next slice goes out when the consumer has told its offset.
 * There is no replica, no retention, no recovery and no second partition: this is a measure, not a
 * server. A request it does not know ends it, so that no measurement is silently of something else.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "crc32c.h"
#include "wire.h"

enum {
    READ_SIZE = 256 * 1024,
    READS_PER_EVENT = 32,
    BYTES_PER_EVENT = 4 << 20,
    PIECES_MAX = 1000,
    STEP = 64 << 20,
};
#define MAP_SIZE ((size_t)64 << 30)

typedef struct {
    int fd;
    uint8_t *in; /* unfinished input */
    size_t in_size, in_capacity;
    uint8_t *out; /* answers not yet sent */
    size_t out_size, out_sent, out_capacity;
    /* One stream per connection is all the benchmark opens. */
    int streaming;
    uint32_t stream_correlation, max_bytes, partition;
    char topic[64];
    uint64_t next_offset;
    const uint8_t *slice; /* rest of the slice that is being sent */
    size_t slice_size;
    int wants_write;
} connection;

static int poller, log_fd;
static uint64_t log_size, log_allocated, end_offset;
static uint8_t *map; /* of more than the file: pages are there as soon as it has grown */

/* Where every batch begins: the floor keeps it in memory and never searches a file. */
static struct {
    uint64_t offset, position;
} *batches;
static size_t batch_count, batch_capacity;

static struct iovec pieces[PIECES_MAX];
static int piece_count;
static uint64_t pieces_size;

static void flush_pieces(void) {
    if (!piece_count) return;
    if (log_size + pieces_size > log_allocated) {
        /* Errors do not matter: it is only faster with room set aside. */
        if (fallocate(log_fd, FALLOC_FL_KEEP_SIZE, (off_t)log_allocated, STEP)) errno = 0;
        log_allocated += STEP;
    }
    ssize_t written = writev(log_fd, pieces, piece_count);
    if (written != (ssize_t)pieces_size) FAIL_ERRNO("writev");
    log_size += pieces_size;
    piece_count = 0;
    pieces_size = 0;
}

static void append(uint8_t *batch, size_t size) {
    int32_t last_delta = (int32_t)get32(batch + BATCH_LAST_DELTA_AT);
    if (size < BATCH_HEADER + 4 || batch[16] != 2 || batch[BATCH_ATTRIBUTES_AT + 1] & 7 ||
        last_delta < 0 || (int32_t)get32(batch + BATCH_HEADER) != last_delta + 1)
        FAIL("a batch that is not what it should be");
    uint32_t stored = get32(batch + BATCH_CRC_AT);
    if (crc32c(batch + BATCH_ATTRIBUTES_AT, size - BATCH_ATTRIBUTES_AT) != stored)
        FAIL("a batch with a wrong checksum");
    if (piece_count == PIECES_MAX) flush_pieces();
    put64(batch, end_offset);
    if (batch_count == batch_capacity) {
        batch_capacity = batch_capacity ? batch_capacity * 2 : 1 << 16;
        batches = realloc(batches, batch_capacity * sizeof *batches);
    }
    batches[batch_count].offset = end_offset;
    batches[batch_count++].position = log_size + pieces_size;
    end_offset += (uint64_t)last_delta + 1;
    pieces[piece_count++] = (struct iovec){batch, size};
    pieces_size += size;
}

static uint8_t *room(connection *c, size_t size) {
    if (c->out_size + size > c->out_capacity) {
        c->out_capacity = (c->out_size + size) * 2;
        c->out = realloc(c->out, c->out_capacity);
    }
    return c->out + c->out_size;
}

static void watch(connection *c, int wants_write) {
    if (c->wants_write == wants_write) return;
    c->wants_write = wants_write;
    struct epoll_event event = {.events = EPOLLIN | (wants_write ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
}

/* Send what waits: answers first, then the rest of a slice. Returns 0 when the peer is gone. */
static int flush_out(connection *c) {
    while (c->out_size > c->out_sent || c->slice_size) {
        struct iovec parts[2];
        int count = 0;
        size_t head = c->out_size - c->out_sent;
        if (head) parts[count++] = (struct iovec){c->out + c->out_sent, head};
        if (c->slice_size) parts[count++] = (struct iovec){(void *)c->slice, c->slice_size};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};
        ssize_t sent = sendmsg(c->fd, &message, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EAGAIN) {
                watch(c, 1);
                return 1;
            }
            return 0;
        }
        size_t of_head = (size_t)sent < head ? (size_t)sent : head;
        c->out_sent += of_head;
        c->slice += (size_t)sent - of_head;
        c->slice_size -= (size_t)sent - of_head;
    }
    c->out_size = c->out_sent = 0;
    watch(c, 0);
    return 1;
}

static uint8_t *skip_string(uint8_t *p) { return p + 2 + get16(p); }

static void produce(connection *c, uint32_t correlation, uint8_t *p, uint8_t *frame_end) {
    p += 1;     /* no transaction */
    p += 2 + 4; /* isolation, timeout */
    if (get32(p) != 1) FAIL("one topic per request");
    p += 4;
    uint8_t *topic = p;
    size_t topic_size = 2 + get16(p);
    p = skip_string(p);
    if (get32(p) != 1) FAIL("one partition per request");
    p += 4;
    uint32_t partition = get32(p);
    uint32_t size = get32(p + 4);
    p += 8;
    uint64_t base = end_offset;
    if (size > (size_t)(frame_end - p)) FAIL("a record set that is longer than its frame");
    for (uint8_t *end = p + size; p < end;) {
        size_t batch_size = BATCH_PREAMBLE + (size_t)get32(p + BATCH_LENGTH_AT);
        if (batch_size > (size_t)(end - p)) FAIL("a batch that is longer than its record set");
        append(p, batch_size);
        p += batch_size;
    }
    uint8_t *out = room(c, 128), *start = out;
    out = put32(out + 4, correlation);
    out = put32(out, 1);
    memcpy(out, topic, topic_size);
    out = put32(out + topic_size, 1);
    out = put32(out, partition);
    out = put16(out, 0);
    out = put64(out, base);
    out = put64(out, 0); /* append time */
    out = put64(out, 0); /* log start */
    out = put32(out, 0); /* throttle time */
    put32(start, (uint32_t)(out - start - 4));
    c->out_size += (size_t)(out - start);
}

static size_t find_batch(uint64_t offset) { /* the last batch that begins at or before it */
    size_t low = 0, high = batch_count;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (batches[middle].offset <= offset) low = middle;
        else high = middle;
    }
    return low;
}

static void send_slice(connection *c) {
    if (c->next_offset >= end_offset) return; /* the measure ends here; nobody waits for more */
    size_t first = find_batch(c->next_offset), low = first + 1, high = batch_count;
    uint64_t start = batches[first].position, end = log_size;
    if (end - start > c->max_bytes) { /* the last boundary that fits, or one whole batch */
        while (low < high) {
            size_t middle = (low + high + 1) / 2;
            if (middle < batch_count && batches[middle].position - start <= c->max_bytes)
                low = middle;
            else high = middle - 1;
        }
        end = low < batch_count ? batches[low].position : log_size;
    }
    uint8_t *out = room(c, 256), *begin = out;
    out = put32(out + 4, c->stream_correlation);
    out = put_string(out, c->topic);
    out = put32(out, 1); /* stream id */
    out = put32(out, c->partition);
    out = put16(out, 0);
    out = put64(out, end_offset); /* high watermark */
    out = put64(out, 0);          /* next filter offset */
    out = put64(out, 0);          /* log start */
    out = put8(out, 0);
    out = put32(out, (uint32_t)(end - start));
    put32(begin, (uint32_t)(out - begin - 4 + (long)(end - start)));
    c->out_size += (size_t)(out - begin);
    c->slice = map + start;
    c->slice_size = end - start;
}

static void stream_fetch(connection *c, uint32_t correlation, uint8_t *p) {
    size_t topic_size = get16(p);
    if (topic_size >= sizeof c->topic) FAIL("a topic's name is too long");
    memcpy(c->topic, p + 2, topic_size);
    c->topic[topic_size] = 0;
    p = skip_string(p);
    c->partition = get32(p);
    c->next_offset = get64(p + 4);
    c->max_bytes = get32(p + 12);
    c->stream_correlation = correlation;
    c->streaming = 1;
    send_slice(c);
}

static void update_offsets(connection *c, uint32_t correlation, uint8_t *p) {
    if (get32(p) != 1 || !c->streaming) FAIL("one offset of the open stream");
    c->next_offset = get64(p + 4);
    uint8_t *out = room(c, 32), *start = out;
    out = put32(out + 4, correlation);
    out = put32(out, 1);
    out = put32(out, 1);
    out = put16(out, 0);
    put32(start, (uint32_t)(out - start - 4));
    c->out_size += (size_t)(out - start);
    send_slice(c);
}

static void handle(connection *c, uint8_t *frame, uint8_t *frame_end) {
    uint16_t key = get16(frame);
    uint32_t correlation = get32(frame + 4);
    uint8_t *body = skip_string(frame + 8);
    if (key == KEY_PRODUCE) produce(c, correlation, body, frame_end);
    else if (key == KEY_STREAM_FETCH) stream_fetch(c, correlation, body);
    else if (key == KEY_UPDATE_OFFSETS) update_offsets(c, correlation, body);
    else FAIL("request %u is not part of the measure", key);
}

/* Read once and do what came. Returns bytes read, 0 when nothing is there, -1 at the end. */
static ssize_t pump(connection *c) {
    size_t want = READ_SIZE;
    if (c->in_size >= 4) { /* a big frame is under way: read the rest of it, and no more */
        size_t whole = 4 + (size_t)get32(c->in);
        if (whole > READ_SIZE) want = whole - c->in_size;
    }
    if (c->in_size + want > c->in_capacity) {
        c->in_capacity = c->in_size + want;
        c->in = realloc(c->in, c->in_capacity);
    }
    ssize_t got = recv(c->fd, c->in + c->in_size, want, 0);
    if (got <= 0) return got < 0 && errno == EAGAIN ? 0 : -1;
    c->in_size += (size_t)got;
    size_t position = 0;
    while (c->in_size - position >= 4) {
        size_t whole = 4 + (size_t)get32(c->in + position);
        if (c->in_size - position < whole) break;
        handle(c, c->in + position + 4, c->in + position + whole);
        position += whole;
    }
    flush_pieces();
    if (position) {
        c->in_size -= position;
        memmove(c->in, c->in + position, c->in_size);
    }
    if (c->out_size && !flush_out(c)) return -1;
    return got;
}

static void drop(connection *c) {
    close(c->fd);
    free(c->in);
    free(c->out);
    free(c);
}

int main(int argc, char **argv) {
    if (argc != 2) FAIL("usage: floor FILE");
    signal(SIGPIPE, SIG_IGN);
    crc32c_init();
    log_fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
    if (log_fd < 0) FAIL_ERRNO(argv[1]);
    map = mmap(NULL, MAP_SIZE, PROT_READ, MAP_SHARED | MAP_NORESERVE, log_fd, 0);
    if (map == MAP_FAILED) FAIL_ERRNO("mmap");
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_size = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, address_size) || listen(listener, 1024))
        FAIL_ERRNO("listen");
    getsockname(listener, (struct sockaddr *)&address, &address_size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    poller = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[256];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(poller, events, 256, -1);
        for (int index = 0; index < count; index++) {
            connection *c = events[index].data.ptr;
            if (!c) {
                int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                if (fd < 0) continue;
                int yes = 1;
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
                c = calloc(1, sizeof *c);
                c->fd = fd;
                event = (struct epoll_event){.events = EPOLLIN, .data.ptr = c};
                epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
                continue;
            }
            if (events[index].events & EPOLLOUT && !flush_out(c)) {
                drop(c);
                continue;
            }
            if (!(events[index].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) continue;
            ssize_t total = 0, got = 1;
            for (int reads = 0; reads < READS_PER_EVENT && total < BYTES_PER_EVENT; reads++) {
                got = pump(c);
                if (got <= 0) break;
                total += got;
            }
            if (got < 0) drop(c);
        }
    }
}
