/* CRC-32C for both C programs of the benchmark: SSE4.2 on three interleaved streams where the
 * processor has it (about as fast as the crc32c package the servers in Python use), tables
 * elsewhere. Call crc32c_init() once. */
#ifndef BENCH_CRC32C_H
#define BENCH_CRC32C_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CRC32C_POLYNOMIAL 0x82f63b78u
#define CRC32C_LONG 4096
#define CRC32C_SHORT 256

static uint32_t crc32c_table[8][256];
static uint32_t crc32c_shift_long[4][256];
static uint32_t crc32c_shift_short[4][256];
static int crc32c_has_instruction;

/* Multiply a vector by a matrix over GF(2). */
static uint32_t crc32c_times(const uint32_t *matrix, uint32_t vector) {
    uint32_t sum = 0;
    for (; vector; vector >>= 1, matrix++)
        if (vector & 1) sum ^= *matrix;
    return sum;
}

/* Tables that append `size` zero bytes to a CRC; size is a power of two. */
static void crc32c_make_shift(uint32_t shift[4][256], size_t size) {
    uint32_t odd[32], even[32], *from = odd, *to = even;
    odd[0] = CRC32C_POLYNOMIAL; /* one zero bit */
    for (int n = 1; n < 32; n++) odd[n] = 1u << (n - 1);
    for (size_t bits = 1; bits < size * 8; bits *= 2) { /* square: twice as many */
        for (int n = 0; n < 32; n++) to[n] = crc32c_times(from, from[n]);
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    for (uint32_t n = 0; n < 256; n++)
        for (int byte = 0; byte < 4; byte++) shift[byte][n] = crc32c_times(from, n << (8 * byte));
}

static inline uint32_t crc32c_shift(uint32_t shift[4][256], uint32_t crc) {
    return shift[0][crc & 0xff] ^ shift[1][(crc >> 8) & 0xff] ^ shift[2][(crc >> 16) & 0xff] ^
           shift[3][crc >> 24];
}

static void crc32c_init(void) {
    for (uint32_t n = 0; n < 256; n++) {
        uint32_t crc = n;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? (crc >> 1) ^ CRC32C_POLYNOMIAL : crc >> 1;
        crc32c_table[0][n] = crc;
    }
    for (uint32_t n = 0; n < 256; n++)
        for (int k = 1; k < 8; k++)
            crc32c_table[k][n] = crc32c_table[0][crc32c_table[k - 1][n] & 0xff] ^
                                 (crc32c_table[k - 1][n] >> 8);
#if defined(__x86_64__)
    __builtin_cpu_init();
    crc32c_has_instruction = __builtin_cpu_supports("sse4.2");
    crc32c_make_shift(crc32c_shift_long, CRC32C_LONG);
    crc32c_make_shift(crc32c_shift_short, CRC32C_SHORT);
#endif
}

static uint32_t crc32c_software(uint32_t crc, const uint8_t *data, size_t size) {
    while (size >= 8) {
        uint32_t low, high;
        memcpy(&low, data, 4);
        memcpy(&high, data + 4, 4);
        low ^= crc; /* little-endian machines only, as the rest of this benchmark */
        crc = crc32c_table[7][low & 0xff] ^ crc32c_table[6][(low >> 8) & 0xff] ^
              crc32c_table[5][(low >> 16) & 0xff] ^ crc32c_table[4][low >> 24] ^
              crc32c_table[3][high & 0xff] ^ crc32c_table[2][(high >> 8) & 0xff] ^
              crc32c_table[1][(high >> 16) & 0xff] ^ crc32c_table[0][high >> 24];
        data += 8;
        size -= 8;
    }
    while (size--) crc = crc32c_table[0][(crc ^ *data++) & 0xff] ^ (crc >> 8);
    return crc;
}

#if defined(__x86_64__)
static inline uint64_t crc32c_load(const uint8_t *data) {
    uint64_t word;
    memcpy(&word, data, 8);
    return word;
}

/* Three streams of `block` bytes each at once: the instruction takes three cycles, but a new one
 * can start in every cycle. */
#define CRC32C_THREE(block, shift)                                                        \
    while (size >= 3 * (block)) {                                                         \
        uint64_t one = 0, two = 0;                                                        \
        const uint8_t *end = data + (block);                                              \
        do {                                                                              \
            crc = __builtin_ia32_crc32di(crc, crc32c_load(data));                         \
            one = __builtin_ia32_crc32di(one, crc32c_load(data + (block)));               \
            two = __builtin_ia32_crc32di(two, crc32c_load(data + 2 * (block)));           \
            data += 8;                                                                    \
        } while (data < end);                                                             \
        crc = crc32c_shift(shift, (uint32_t)crc) ^ one;                                   \
        crc = crc32c_shift(shift, (uint32_t)crc) ^ two;                                   \
        data += 2 * (block);                                                              \
        size -= 3 * (block);                                                              \
    }

__attribute__((target("sse4.2"))) static uint32_t crc32c_hardware(uint32_t start,
                                                                   const uint8_t *data,
                                                                   size_t size) {
    uint64_t crc = start;
    CRC32C_THREE(CRC32C_LONG, crc32c_shift_long)
    CRC32C_THREE(CRC32C_SHORT, crc32c_shift_short)
    for (; size >= 8; data += 8, size -= 8) crc = __builtin_ia32_crc32di(crc, crc32c_load(data));
    for (; size; size--) crc = __builtin_ia32_crc32qi((uint32_t)crc, *data++);
    return (uint32_t)crc;
}
#endif

static uint32_t crc32c(const uint8_t *data, size_t size) {
#if defined(__x86_64__)
    if (crc32c_has_instruction) return ~crc32c_hardware(~0u, data, size);
#endif
    return ~crc32c_software(~0u, data, size);
}

#endif
