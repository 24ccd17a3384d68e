/* Big-endian numbers and the few constants of the protocol that both C programs need. */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_PRODUCE = 0, KEY_STREAM_FETCH = 1003, KEY_UPDATE_OFFSETS = 1005 };
enum { API_VERSION = 24 };
enum {
    BATCH_LENGTH_AT = 8,      /* bytes that follow this field */
    BATCH_PREAMBLE = 12,      /* base offset and length */
    BATCH_CRC_AT = 17,
    BATCH_ATTRIBUTES_AT = 21, /* the checksum covers from here to the end */
    BATCH_LAST_DELTA_AT = 23,
    BATCH_HEADER = 57,
};

static inline uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static inline uint32_t get32(const uint8_t *p) {
    uint32_t value;
    memcpy(&value, p, 4);
    return __builtin_bswap32(value);
}
static inline uint64_t get64(const uint8_t *p) {
    uint64_t value;
    memcpy(&value, p, 8);
    return __builtin_bswap64(value);
}
static inline uint8_t *put8(uint8_t *p, uint8_t value) {
    *p = value;
    return p + 1;
}
static inline uint8_t *put16(uint8_t *p, uint16_t value) {
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
    return p + 2;
}
static inline uint8_t *put32(uint8_t *p, uint32_t value) {
    value = __builtin_bswap32(value);
    memcpy(p, &value, 4);
    return p + 4;
}
static inline uint8_t *put64(uint8_t *p, uint64_t value) {
    value = __builtin_bswap64(value);
    memcpy(p, &value, 8);
    return p + 8;
}
static inline uint8_t *put_string(uint8_t *p, const char *text) {
    size_t size = strlen(text);
    p = put16(p, (uint16_t)size);
    memcpy(p, text, size);
    return p + size;
}

#define FAIL(...)                         \
    do {                                  \
        fprintf(stderr, __VA_ARGS__);     \
        fputc('\n', stderr);              \
        exit(1);                          \
    } while (0)
#define FAIL_ERRNO(what) \
    do {                 \
        perror(what);    \
        exit(1);         \
    } while (0)

#endif
