/* dedup-exact: drop the records whose key was there already; without a key, the value counts.
 *
 * kind: filter
 * count (needed): how many newer keys a key is remembered through at least, from 1
 * age: milliseconds that a key is remembered at least, from 1
 *
 * A key is forgotten only when more than `count` newer ones are remembered and, with `age`, it is older
 * than that by the records' own time: the newest time that was seen is now. A duplicate is not newer
 * than what it repeats. Keys are compared by SipHash-128, so two of them never meet by chance. With
 * `age`, 16,777,216 keys are remembered at most; then records with new keys are errors until some are
 * old enough. The set is rebuilt from earlier records by look-back.
 */
#include "fluvio_smartmodule.h"

#define ENTRY_COUNT_MAX (1u << 24)
#define TIME_UNKNOWN (-1)

typedef struct {
    uint64_t low, high;
    int64_t timestamp;
} entry;

/* A ring of entries in the order they came, and a table of their places in it, by hash. */
static entry *ring;
static uint32_t *table; /* place in the ring plus 1; 0 is free */
static uint32_t ring_size, first, entry_count;
static int64_t count_min, age_min_ms, now_ms = TIME_UNKNOWN;

static uint64_t rotated(uint64_t x, int by) { return x << by | x >> (64 - by); }

static void sip_round(uint64_t v[4]) {
    v[0] += v[1], v[1] = rotated(v[1], 13) ^ v[0], v[0] = rotated(v[0], 32);
    v[2] += v[3], v[3] = rotated(v[3], 16) ^ v[2];
    v[0] += v[3], v[3] = rotated(v[3], 21) ^ v[0];
    v[2] += v[1], v[1] = rotated(v[1], 17) ^ v[2], v[2] = rotated(v[2], 32);
}

/* SipHash-2-4 with 128 bits of result; the key tells record keys from values. */
static entry hash(sm_bytes bytes, uint64_t key) {
    uint64_t v[4] = {0x736f6d6570736575u ^ key, 0x646f72616e646f6du ^ 0xee,
                     0x6c7967656e657261u ^ key, 0x7465646279746573u};
    uint32_t whole = bytes.size & ~7u;
    for (uint32_t i = 0; i <= whole; i += 8) {
        uint64_t word = i == whole ? (uint64_t)bytes.size << 56 : 0;
        uint32_t size = i == whole ? bytes.size & 7 : 8;
        for (uint32_t j = 0; j < size; j++) word |= (uint64_t)bytes.data[i + j] << (8 * j);
        v[3] ^= word;
        sip_round(v), sip_round(v);
        v[0] ^= word;
    }
    entry found = {0, 0, TIME_UNKNOWN};
    v[2] ^= 0xee;
    for (int i = 0; i < 4; i++) sip_round(v);
    found.low = v[0] ^ v[1] ^ v[2] ^ v[3];
    v[1] ^= 0xdd;
    for (int i = 0; i < 4; i++) sip_round(v);
    found.high = v[0] ^ v[1] ^ v[2] ^ v[3];
    return found;
}

static uint32_t table_mask(void) { return 2 * ring_size - 1; }

/* Where the entry is in the table, or the free place where it would be. */
static uint32_t place_of(const entry *wanted) {
    uint32_t at = (uint32_t)wanted->low & table_mask();
    for (; table[at]; at = (at + 1) & table_mask()) {
        const entry *there = &ring[table[at] - 1];
        if (there->low == wanted->low && there->high == wanted->high) break;
    }
    return at;
}

static void forget_oldest(void) {
    uint32_t hole = place_of(&ring[first]);
    table[hole] = 0;
    /* What stands behind the hole moves up, unless the hole is before where it would begin. */
    for (uint32_t at = hole;;) {
        at = (at + 1) & table_mask();
        if (!table[at]) break;
        uint32_t home = (uint32_t)ring[table[at] - 1].low & table_mask();
        if (((at - home) & table_mask()) < ((at - hole) & table_mask())) continue;
        table[hole] = table[at];
        table[at] = 0;
        hole = at;
    }
    first = (first + 1) & (ring_size - 1);
    entry_count--;
}

static void grow(void) {
    entry *larger = sm_alloc((uint64_t)2 * ring_size * sizeof(entry));
    for (uint32_t i = 0; i < entry_count; i++) larger[i] = ring[(first + i) & (ring_size - 1)];
    sm_free(ring);
    sm_free(table);
    ring = larger;
    ring_size *= 2;
    first = 0;
    table = sm_alloc((uint64_t)2 * ring_size * sizeof(uint32_t));
    __builtin_memset(table, 0, (size_t)2 * ring_size * sizeof(uint32_t));
    for (uint32_t i = 0; i < entry_count; i++) table[place_of(&ring[i])] = i + 1;
}

SM_INIT() {
    sm_bytes needed;
    if (sm_param_names("count,age") < 0 || sm_param_needed("count", &needed) < 0 ||
        sm_param_int("count", 1, ENTRY_COUNT_MAX - 2, &count_min) < 0 ||
        sm_param_int("age", 1, INT64_MAX / 4, &age_min_ms) < 0)
        return SM_ERROR;
    ring_size = 16;
    ring = sm_alloc(ring_size * sizeof(entry));
    table = sm_alloc(2 * ring_size * sizeof(uint32_t));
    __builtin_memset(table, 0, 2 * ring_size * sizeof(uint32_t));
    return SM_OK;
}

static bool is_old_enough(entry *oldest) {
    if (!age_min_ms) return true;
    /* Look-back may not say when: such entries count as seen now, and are kept for longer. */
    if (oldest->timestamp == TIME_UNKNOWN) oldest->timestamp = now_ms;
    return oldest->timestamp != TIME_UNKNOWN && now_ms - oldest->timestamp > age_min_ms;
}

static int see(const sm_record *record) {
    entry seen = record->has_key ? hash(record->key, 1) : hash(record->value, 2);
    seen.timestamp = record->timestamp;
    if (record->timestamp > now_ms) now_ms = record->timestamp;
    while (entry_count > count_min + 1 && is_old_enough(&ring[first])) forget_oldest();
    if (table[place_of(&seen)]) return SM_DROP;
    if (entry_count == ENTRY_COUNT_MAX)
        return sm_error("more than %u keys within the age of %lld ms", ENTRY_COUNT_MAX,
                        (long long)age_min_ms);
    if (entry_count == ring_size) grow();
    uint32_t place = (first + entry_count++) & (ring_size - 1);
    ring[place] = seen;
    table[place_of(&seen)] = place + 1;
    return SM_KEEP;
}

SM_LOOK_BACK(record) { return see(record) < 0 ? SM_ERROR : SM_OK; }

SM_FILTER(record) { return see(record); }
