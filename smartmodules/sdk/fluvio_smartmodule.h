/* fluvio_smartmodule.h: write a SmartModule in C, as one function.
 *
 *     #include "fluvio_smartmodule.h"
 *
 *     SM_FILTER(record) {
 *         int64_t number;
 *         if (!sm_parse_int(record->value, &number))
 *             return sm_error("not a number: %.*s", SM_TEXT(record->value));
 *         return number % 2 != 0;
 *     }
 *
 * `fluvio smartmodule build odd.c` compiles it; neither libc nor WASI is needed or there.
 *
 * Exactly one of these is the module's transform, and the function after it answers SM_KEEP (which is
 * also SM_OK), SM_DROP, or what sm_error() gives:
 *
 *     SM_FILTER(record)                        keep the record, or drop it
 *     SM_MAP(record, out)                      append the new value to &out->value
 *     SM_FILTER_MAP(record, out)               both
 *     SM_ARRAY_MAP(record, out)                sm_emit(out) after each value that is appended
 *     SM_AGGREGATE(accumulator, record, out)   append the new accumulator, which is also emitted
 *
 * and these may stand beside it:
 *
 *     SM_INIT()               once, before all: look at sm_param(); an error refuses the stream
 *     SM_LOOK_BACK(record)    for each earlier record the consumer asks for, oldest first
 *
 * An error ends at that record: the consumer gets the records before it, then the message with the
 * record's offset, key and value, then the records after it.
 *
 * Memory. sm_temporary() and all that is appended lives until the next call of the module, which is
 * about one batch; sm_alloc() lives until sm_free(), or as long as the stream. Both are reused, so a
 * module that runs for months does not grow. Memory that cannot be had ends the instance.
 *
 * The binary interface is Fluvio's: exports alloc, dealloc, memory, init and the transform, one import
 * copy_records. Versions 0 to 25 of the interface are read; what a version lacks is not known.
 */
#ifndef FLUVIO_SMARTMODULE_H
#define FLUVIO_SMARTMODULE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SM_API static __attribute__((unused))
#define SM_EXPORT(name) __attribute__((export_name(name)))

#define SM_DROP 0
#define SM_KEEP 1
#define SM_OK 1
#define SM_ERROR (-1)

#define SM_MESSAGE_SIZE_MAX 1000u /* bytes of an error's message; the rest is cut off */
#define SM_JSON_DEPTH_MAX 100

/* Bytes that somebody else owns. `data` may be NULL when `size` is 0. */
typedef struct {
    const uint8_t *data;
    uint32_t size;
} sm_bytes;

/* What the transform sees. Its bytes live until the end of the call. */
typedef struct {
    sm_bytes key;
    bool has_key; /* a key of zero bytes is a key */
    sm_bytes value;
    int64_t offset;
    int64_t timestamp; /* milliseconds since 1970, -1 when the server does not say */
} sm_record;

/* Bytes that grow, in temporary memory. Begins as {0}. */
typedef struct {
    uint8_t *data;
    uint32_t size;
    uint32_t room;
} sm_buffer;

/* What a map, filter_map, array_map or aggregate gives. The key stays as it was, unless set. */
typedef struct {
    sm_buffer value;
    sm_buffer key;
    bool has_key;
    uint32_t emitted;
    sm_buffer *result;
} sm_output;

#define SM_LITERAL(text) ((sm_bytes){(const uint8_t *)(text), sizeof(text) - 1})
#define SM_CONTENT(buffer) ((sm_bytes){(buffer).data, (buffer).size})
/* For "%.*s" in sm_error(). */
#define SM_TEXT(bytes) (int)(bytes).size, (const char *)(bytes).data

/* -- What the compiler may call by itself ------------------------------------------------------ */

__attribute__((weak, no_builtin)) void *memcpy(void *to, const void *from, size_t size) {
    uint8_t *at = to;
    const uint8_t *source = from;
    while (size--) *at++ = *source++;
    return to;
}

__attribute__((weak, no_builtin)) void *memmove(void *to, const void *from, size_t size) {
    uint8_t *at = to;
    const uint8_t *source = from;
    if (at < source)
        while (size--) *at++ = *source++;
    else
        while (size--) at[size] = source[size];
    return to;
}

__attribute__((weak, no_builtin)) void *memset(void *to, int byte, size_t size) {
    uint8_t *at = to;
    while (size--) *at++ = (uint8_t)byte;
    return to;
}

__attribute__((weak, no_builtin)) int memcmp(const void *left, const void *right, size_t size) {
    const uint8_t *a = left, *b = right;
    for (; size; size--, a++, b++)
        if (*a != *b) return *a - *b;
    return 0;
}

typedef union {
    unsigned __int128 whole;
    uint64_t half[2]; /* low, high */
} sm_wide;

__attribute__((weak)) unsigned __int128 __ashlti3(unsigned __int128 number, int by) {
    sm_wide from = {number}, to;
    if (!by) return number;
    to.half[0] = by < 64 ? from.half[0] << by : 0;
    to.half[1] = by < 64 ? from.half[1] << by | from.half[0] >> (64 - by) : from.half[0] << (by - 64);
    return to.whole;
}

__attribute__((weak)) unsigned __int128 __lshrti3(unsigned __int128 number, int by) {
    sm_wide from = {number}, to;
    if (!by) return number;
    to.half[1] = by < 64 ? from.half[1] >> by : 0;
    to.half[0] = by < 64 ? from.half[0] >> by | from.half[1] << (64 - by) : from.half[1] >> (by - 64);
    return to.whole;
}

/* Not optimised: the compiler would see a multiplication of 128 bits, and call this again. */
__attribute__((weak, optnone, noinline)) unsigned __int128 __multi3(
    unsigned __int128 left, unsigned __int128 right) {
    sm_wide a = {left}, b = {right}, product;
    uint64_t a_low = (uint32_t)a.half[0], a_high = a.half[0] >> 32;
    uint64_t b_low = (uint32_t)b.half[0], b_high = b.half[0] >> 32;
    uint64_t middle = a_high * b_low + (a_low * b_low >> 32);
    uint64_t other = a_low * b_high + (uint32_t)middle;
    product.half[0] = a.half[0] * b.half[0];
    product.half[1] = a_high * b_high + (middle >> 32) + (other >> 32) + a.half[0] * b.half[1] +
                      a.half[1] * b.half[0];
    return product.whole;
}

SM_API void sm_copy(void *to, const void *from, size_t size) {
    if (size) __builtin_memcpy(to, from, size);
}

/* -- Memory: blocks of powers of two, kept in lists when they are free -------------------------- */

typedef struct sm_block {
    struct sm_block *next;
    uint32_t order;
    uint32_t reserved[2]; /* what follows is aligned to 16 */
} sm_block;

#define SM_TEMPORARY_BLOCK_SIZE 65536u

extern uint8_t __heap_base;
static uint64_t sm_heap_end;
static sm_block *sm_free_blocks[33];
static sm_block *sm_call_blocks;
static uint8_t *sm_call_at, *sm_call_end;
static bool sm_call_is_over;

SM_API void *sm_alloc(uint64_t size) {
    uint32_t order = 4;
    while (order < 32 && ((uint64_t)1 << order) < size + sizeof(sm_block)) order++;
    sm_block *block = sm_free_blocks[order];
    if (block) {
        sm_free_blocks[order] = block->next;
    } else {
        if (!sm_heap_end) sm_heap_end = ((uintptr_t)&__heap_base + 15) & ~(uint64_t)15;
        uint64_t end = sm_heap_end + ((uint64_t)1 << order);
        uint64_t pages = (end + 65535) >> 16, there = __builtin_wasm_memory_size(0);
        if (pages > 65536) __builtin_trap();
        if (pages > there && __builtin_wasm_memory_grow(0, pages - there) == (size_t)-1)
            __builtin_trap();
        block = (sm_block *)(uintptr_t)sm_heap_end;
        sm_heap_end = end;
    }
    block->order = order;
    return block + 1;
}

SM_API void sm_free(void *memory) {
    if (!memory) return;
    sm_block *block = (sm_block *)memory - 1;
    block->next = sm_free_blocks[block->order];
    sm_free_blocks[block->order] = block;
}

SM_API void *sm_temporary(uint64_t size) {
    size = (size + 15) & ~(uint64_t)15;
    if (size <= (uint64_t)(sm_call_end - sm_call_at)) {
        sm_call_at += size;
        return sm_call_at - size;
    }
    bool is_large = size > SM_TEMPORARY_BLOCK_SIZE / 4;
    uint64_t room = is_large ? size : SM_TEMPORARY_BLOCK_SIZE - sizeof(sm_block);
    uint8_t *memory = sm_alloc(room);
    sm_block *block = (sm_block *)memory - 1;
    block->next = sm_call_blocks;
    sm_call_blocks = block;
    if (!is_large) {
        sm_call_at = memory + size;
        sm_call_end = memory + room;
    }
    return memory;
}

SM_EXPORT("alloc") void *sm_export_alloc(uint32_t size) {
    if (sm_call_is_over) { /* not at its end: the host may read the output after it */
        while (sm_call_blocks) {
            sm_block *block = sm_call_blocks;
            sm_call_blocks = block->next;
            sm_free(block + 1);
        }
        sm_call_at = sm_call_end = NULL;
        sm_call_is_over = false;
    }
    return sm_temporary(size);
}

SM_EXPORT("dealloc") void sm_export_dealloc(void *memory, uint32_t size) {
    (void)memory, (void)size; /* it goes with the call */
}

/* -- Bytes and buffers --------------------------------------------------------------------------- */

SM_API sm_bytes sm_text(const char *text) {
    sm_bytes bytes = {(const uint8_t *)text, 0};
    while (text[bytes.size]) bytes.size++;
    return bytes;
}

SM_API sm_bytes sm_slice(sm_bytes bytes, uint32_t start, uint32_t end) {
    return (sm_bytes){bytes.data + start, end - start};
}

/* Below zero, zero or above, by bytes; a beginning comes before what it begins. */
SM_API int sm_compare(sm_bytes left, sm_bytes right) {
    uint32_t size = left.size < right.size ? left.size : right.size;
    for (uint32_t i = 0; i < size; i++)
        if (left.data[i] != right.data[i]) return left.data[i] - right.data[i];
    return left.size == right.size ? 0 : left.size < right.size ? -1 : 1;
}

SM_API bool sm_equal(sm_bytes left, sm_bytes right) {
    return left.size == right.size && sm_compare(left, right) == 0;
}

SM_API bool sm_is(sm_bytes bytes, const char *text) { return sm_equal(bytes, sm_text(text)); }

SM_API bool sm_starts_with(sm_bytes bytes, sm_bytes start) {
    return bytes.size >= start.size && sm_equal(sm_slice(bytes, 0, start.size), start);
}

SM_API bool sm_ends_with(sm_bytes bytes, sm_bytes end) {
    return bytes.size >= end.size && sm_equal(sm_slice(bytes, bytes.size - end.size, bytes.size), end);
}

/* Copied to memory that lives until sm_free(). */
SM_API sm_bytes sm_keep_bytes(sm_bytes bytes) {
    uint8_t *copy = sm_alloc(bytes.size);
    sm_copy(copy, bytes.data, bytes.size);
    return (sm_bytes){copy, bytes.size};
}

/* Cut `rest` at the first `separator`: the part before it, and `rest` is what follows. Gives false
 * when nothing is left; begin with rest.data that is not NULL. */
SM_API bool sm_split(sm_bytes *rest, uint8_t separator, sm_bytes *part) {
    if (!rest->data) return false;
    uint32_t at = 0;
    while (at < rest->size && rest->data[at] != separator) at++;
    *part = sm_slice(*rest, 0, at);
    *rest = at < rest->size ? sm_slice(*rest, at + 1, rest->size) : (sm_bytes){NULL, 0};
    return true;
}

SM_API bool sm_is_utf8(sm_bytes bytes) {
    const uint8_t *at = bytes.data, *end = at + bytes.size;
    while (at < end) {
        if (*at < 0x80) {
            at++;
            continue;
        }
        uint32_t more = *at >= 0xf0 ? 3 : *at >= 0xe0 ? 2 : 1;
        if (*at < 0xc2 || *at > 0xf4 || (uint32_t)(end - at) <= more) return false;
        uint8_t low = *at == 0xe0 ? 0xa0 : *at == 0xf0 ? 0x90 : 0x80;
        uint8_t high = *at == 0xed ? 0x9f : *at == 0xf4 ? 0x8f : 0xbf;
        if (at[1] < low || at[1] > high) return false;
        for (uint32_t i = 2; i <= more; i++)
            if ((at[i] & 0xc0) != 0x80) return false;
        at += more + 1;
    }
    return true;
}

/* Room for `size` more bytes; gives where they begin. */
SM_API uint8_t *sm_extend(sm_buffer *buffer, uint32_t size) {
    uint64_t needed = (uint64_t)buffer->size + size;
    if (needed > INT32_MAX) __builtin_trap();
    if (needed > buffer->room) {
        uint64_t room = needed < 64 ? 64 : needed + needed / 2;
        uint8_t *data = sm_temporary(room);
        sm_copy(data, buffer->data, buffer->size);
        buffer->data = data;
        buffer->room = (uint32_t)room;
    }
    buffer->size = (uint32_t)needed;
    return buffer->data + needed - size;
}

SM_API void sm_append(sm_buffer *buffer, sm_bytes bytes) {
    sm_copy(sm_extend(buffer, bytes.size), bytes.data, bytes.size);
}

SM_API void sm_append_byte(sm_buffer *buffer, uint8_t byte) { *sm_extend(buffer, 1) = byte; }

SM_API void sm_append_text(sm_buffer *buffer, const char *text) { sm_append(buffer, sm_text(text)); }

SM_API sm_bytes sm_int_text(int64_t number, char room[21]) {
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    uint32_t at = 21;
    do room[--at] = (char)('0' + rest % 10);
    while (rest /= 10);
    if (number < 0) room[--at] = '-';
    return (sm_bytes){(const uint8_t *)room + at, 21 - at};
}

SM_API void sm_append_int(sm_buffer *buffer, int64_t number) {
    char room[21];
    sm_append(buffer, sm_int_text(number, room));
}

/* A whole number in decimal, with a sign or without, and nothing around it. */
SM_API bool sm_parse_int(sm_bytes bytes, int64_t *number) {
    bool is_negative = bytes.size && bytes.data[0] == '-';
    uint32_t at = bytes.size && (is_negative || bytes.data[0] == '+');
    if (at == bytes.size) return false;
    uint64_t found = 0, limit = (uint64_t)INT64_MAX + is_negative;
    for (; at < bytes.size; at++) {
        uint8_t digit = (uint8_t)(bytes.data[at] - '0');
        if (digit > 9 || found > (limit - digit) / 10) return false;
        found = found * 10 + digit;
    }
    *number = (int64_t)(is_negative ? 0 - found : found);
    return true;
}

/* -- Errors -------------------------------------------------------------------------------------- */

static uint8_t sm_message[SM_MESSAGE_SIZE_MAX];
static uint32_t sm_message_size;

SM_API void sm_say(sm_bytes bytes) {
    for (uint32_t i = 0; i < bytes.size && sm_message_size < SM_MESSAGE_SIZE_MAX; i++)
        sm_message[sm_message_size++] = bytes.data[i];
}

/* Set the message, as printf would: %s %.*s %c %d %u %lld %llu %%. Gives SM_ERROR, to be returned. */
__attribute__((format(printf, 1, 2))) SM_API int sm_error(const char *format, ...) {
    va_list list;
    va_start(list, format);
    sm_message_size = 0;
    for (const char *at = format; *at; at++) {
        char room[21];
        if (*at != '%') {
            sm_say((sm_bytes){(const uint8_t *)at, 1});
            continue;
        }
        at++;
        if (at[0] == '.' && at[1] == '*' && at[2] == 's') {
            uint32_t size = (uint32_t)va_arg(list, int);
            sm_say((sm_bytes){va_arg(list, const uint8_t *), size});
            at += 2;
        } else if (at[0] == 'l' && at[1] == 'l') {
            sm_say(sm_int_text(va_arg(list, int64_t), room));
            at += 2;
        } else if (*at == 's') {
            sm_say(sm_text(va_arg(list, const char *)));
        } else if (*at == 'c') {
            room[0] = (char)va_arg(list, int);
            sm_say((sm_bytes){(const uint8_t *)room, 1});
        } else if (*at == 'd') {
            sm_say(sm_int_text(va_arg(list, int), room));
        } else if (*at == 'u') {
            sm_say(sm_int_text(va_arg(list, unsigned), room));
        } else {
            sm_say((sm_bytes){(const uint8_t *)at, 1});
            if (!*at) break;
        }
    }
    va_end(list);
    return SM_ERROR;
}

/* The message as the wire wants it, UTF-8: what is cut or no text becomes '?'. */
SM_API sm_bytes sm_hint(void) {
    if (!sm_message_size) return SM_LITERAL("the module gives no reason");
    sm_bytes whole = {sm_message, sm_message_size};
    if (!sm_is_utf8(whole)) {
        for (uint32_t at = 0; at < sm_message_size;) {
            uint32_t size = 1;
            while (size <= 4 && at + size <= sm_message_size &&
                   !sm_is_utf8((sm_bytes){sm_message + at, size}))
                size++;
            if (size > 4 || at + size > sm_message_size) sm_message[at] = '?', size = 1;
            at += size;
        }
    }
    return whole;
}

/* -- Parameters ---------------------------------------------------------------------------------- */

typedef struct {
    sm_bytes name, value;
} sm_parameter;

static sm_parameter *sm_parameters;
static uint32_t sm_parameter_count;

/* A parameter's value; gives false when there is no such parameter. */
SM_API bool sm_param(const char *name, sm_bytes *value) {
    for (uint32_t i = 0; i < sm_parameter_count; i++)
        if (sm_is(sm_parameters[i].name, name)) {
            *value = sm_parameters[i].value;
            return true;
        }
    return false;
}

/* A parameter that must be there. Gives SM_OK or SM_ERROR. */
SM_API int sm_param_needed(const char *name, sm_bytes *value) {
    return sm_param(name, value) ? SM_OK : sm_error("missing parameter \"%s\"", name);
}

/* A whole number from `least` to `most`; `number` stays as it is when there is no such parameter. */
SM_API int sm_param_int(const char *name, int64_t least, int64_t most, int64_t *number) {
    sm_bytes text;
    int64_t found;
    if (!sm_param(name, &text)) return SM_OK;
    if (!sm_parse_int(text, &found) || found < least || found > most)
        return sm_error("parameter \"%s\" is \"%.*s\", but must be a whole number from %lld to %lld",
                        name, SM_TEXT(text), (long long)least, (long long)most);
    *number = found;
    return SM_OK;
}

/* One of the words in `choices`, which commas separate; `chosen` is its number, from 0, and stays as
 * it is when there is no such parameter. */
SM_API int sm_param_choice(const char *name, const char *choices, int *chosen) {
    sm_bytes text, one, rest = sm_text(choices);
    if (!sm_param(name, &text)) return SM_OK;
    for (int i = 0; sm_split(&rest, ',', &one); i++)
        if (sm_equal(text, one)) {
            *chosen = i;
            return SM_OK;
        }
    return sm_error("parameter \"%s\" is \"%.*s\", but must be one of %s", name, SM_TEXT(text), choices);
}

/* Refuse parameters that are not in `names`, which commas separate. */
SM_API int sm_param_names(const char *names) {
    for (uint32_t i = 0; i < sm_parameter_count; i++) {
        sm_bytes one, rest = sm_text(names);
        bool is_known = false;
        while (!is_known && sm_split(&rest, ',', &one)) is_known = sm_equal(one, sm_parameters[i].name);
        if (!is_known)
            return sm_error("unknown parameter \"%.*s\": this module takes %s",
                            SM_TEXT(sm_parameters[i].name), *names ? names : "none");
    }
    return SM_OK;
}

/* -- JSON ---------------------------------------------------------------------------------------- */

typedef enum {
    SM_JSON_NULL,
    SM_JSON_FALSE,
    SM_JSON_TRUE,
    SM_JSON_NUMBER,
    SM_JSON_STRING,
    SM_JSON_ARRAY,
    SM_JSON_OBJECT,
} sm_json_kind;

/* A value of a document that sm_json_parse() has checked: its kind, and its text as written. */
typedef struct {
    sm_json_kind kind;
    sm_bytes text;
} sm_json;

/* A walk over an array or an object; begins as sm_json_items(value). */
typedef struct {
    const uint8_t *at, *end;
    bool is_object;
} sm_json_walk;

SM_API const uint8_t *sm_json_space(const uint8_t *at, const uint8_t *end) {
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) at++;
    return at;
}

SM_API bool sm_is_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

SM_API int sm_hex_digit(uint8_t byte) {
    if (sm_is_digit(byte)) return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* The end of a JSON number that begins at `at`, or NULL. */
SM_API const uint8_t *sm_json_number_end(const uint8_t *at, const uint8_t *end) {
    if (at < end && *at == '-') at++;
    if (at == end || !sm_is_digit(*at)) return NULL;
    if (*at++ != '0')
        while (at < end && sm_is_digit(*at)) at++;
    if (at < end && *at == '.') {
        if (++at == end || !sm_is_digit(*at)) return NULL;
        while (at < end && sm_is_digit(*at)) at++;
    }
    if (at < end && (*at | 0x20) == 'e') {
        at++;
        if (at < end && (*at == '+' || *at == '-')) at++;
        if (at == end || !sm_is_digit(*at)) return NULL;
        while (at < end && sm_is_digit(*at)) at++;
    }
    return at;
}

SM_API const uint8_t *sm_json_string_end(const uint8_t *at, const uint8_t *end) {
    if (at == end || *at++ != '"') return NULL;
    while (at < end && *at != '"') {
        if (*at < 0x20) return NULL;
        if (*at++ != '\\') continue;
        if (at == end) return NULL;
        uint8_t letter = *at++;
        if (letter == 'u') {
            for (int i = 0; i < 4; i++)
                if (at == end || sm_hex_digit(*at++) < 0) return NULL;
        } else if (letter != '"' && letter != '\\' && letter != '/' && letter != 'b' &&
                   letter != 'f' && letter != 'n' && letter != 'r' && letter != 't') {
            return NULL;
        }
    }
    return at == end ? NULL : at + 1;
}

/* The end of the value that begins at `at`, and its kind; NULL when there is none. */
SM_API const uint8_t *sm_json_end(const uint8_t *at, const uint8_t *end, int depth, sm_json_kind *kind) {
    sm_bytes rest = {at, (uint32_t)(end - at)};
    if (at == end) return NULL;
    if (*at == '{' || *at == '[') {
        bool is_object = *at == '{';
        uint8_t close = is_object ? '}' : ']';
        *kind = is_object ? SM_JSON_OBJECT : SM_JSON_ARRAY;
        if (depth >= SM_JSON_DEPTH_MAX) return NULL;
        at = sm_json_space(at + 1, end);
        if (at < end && *at == close) return at + 1;
        for (;;) {
            sm_json_kind inner;
            if (is_object) {
                at = sm_json_string_end(at, end);
                if (!at) return NULL;
                at = sm_json_space(at, end);
                if (at == end || *at != ':') return NULL;
                at = sm_json_space(at + 1, end);
            }
            at = sm_json_end(at, end, depth + 1, &inner);
            if (!at) return NULL;
            at = sm_json_space(at, end);
            if (at == end) return NULL;
            if (*at == close) return at + 1;
            if (*at != ',') return NULL;
            at = sm_json_space(at + 1, end);
        }
    }
    if (*at == '"') return *kind = SM_JSON_STRING, sm_json_string_end(at, end);
    if (sm_starts_with(rest, SM_LITERAL("null"))) return *kind = SM_JSON_NULL, at + 4;
    if (sm_starts_with(rest, SM_LITERAL("false"))) return *kind = SM_JSON_FALSE, at + 5;
    if (sm_starts_with(rest, SM_LITERAL("true"))) return *kind = SM_JSON_TRUE, at + 4;
    return *kind = SM_JSON_NUMBER, sm_json_number_end(at, end);
}

/* Check a whole document. Gives SM_OK, or SM_ERROR with a message. */
SM_API int sm_json_parse(sm_bytes bytes, sm_json *root) {
    const uint8_t *end = bytes.data + bytes.size;
    const uint8_t *at = sm_json_space(bytes.data, end);
    const uint8_t *last = sm_is_utf8(bytes) ? sm_json_end(at, end, 0, &root->kind) : NULL;
    if (!last || sm_json_space(last, end) != end) return sm_error("the value is not JSON");
    root->text = (sm_bytes){at, (uint32_t)(last - at)};
    return SM_OK;
}

SM_API sm_json_walk sm_json_items(sm_json value) {
    const uint8_t *end = value.text.data + value.text.size;
    if (value.kind < SM_JSON_ARRAY) return (sm_json_walk){end, end, false};
    return (sm_json_walk){value.text.data + 1, end - 1, value.kind == SM_JSON_OBJECT};
}

/* The next item. `name` is an object's name as written, with its quotes. */
SM_API bool sm_json_next(sm_json_walk *walk, sm_bytes *name, sm_json *item) {
    const uint8_t *at = sm_json_space(walk->at, walk->end);
    if (at == walk->end) return false;
    if (*at == ',') at = sm_json_space(at + 1, walk->end);
    *name = (sm_bytes){NULL, 0};
    if (walk->is_object) {
        const uint8_t *end = sm_json_string_end(at, walk->end);
        *name = (sm_bytes){at, (uint32_t)(end - at)};
        at = sm_json_space(end, walk->end);
        at = sm_json_space(at + 1, walk->end);
    }
    walk->at = sm_json_end(at, walk->end, 0, &item->kind);
    item->text = (sm_bytes){at, (uint32_t)(walk->at - at)};
    return true;
}

SM_API uint32_t sm_json_code_unit(const uint8_t *at) {
    uint32_t found = 0;
    for (int i = 0; i < 4; i++) found = found << 4 | (uint32_t)sm_hex_digit(at[i]);
    return found;
}

SM_API uint32_t sm_utf8(uint32_t code, uint8_t room[4]) {
    if (code < 0x80) return room[0] = (uint8_t)code, 1;
    uint32_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (uint32_t i = size; i-- > 1; code >>= 6) room[i] = (uint8_t)(0x80 | (code & 0x3f));
    room[0] = (uint8_t)((0xf00 >> size) | code);
    return size;
}

/* What a string says, from its text as written; half a pair of code units becomes U+FFFD. */
SM_API sm_bytes sm_json_string(sm_bytes text) {
    uint8_t *start = sm_temporary(text.size), *to = start;
    const uint8_t *at = text.data + 1, *end = text.data + text.size - 1;
    while (at < end) {
        if (*at != '\\') {
            *to++ = *at++;
            continue;
        }
        uint8_t letter = at[1];
        at += 2;
        if (letter == 'u') {
            uint32_t code = sm_json_code_unit(at);
            at += 4;
            if (code >= 0xd800 && code < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
                uint32_t low = sm_json_code_unit(at + 2);
                if (low >= 0xdc00 && low < 0xe000) {
                    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                    at += 6;
                }
            }
            to += sm_utf8(code >= 0xd800 && code < 0xe000 ? 0xfffd : code, to);
        } else {
            *to++ = letter == 'b' ? '\b' : letter == 'f' ? '\f' : letter == 'n' ? '\n'
                  : letter == 'r' ? '\r' : letter == 't' ? '\t' : letter;
        }
    }
    return (sm_bytes){start, (uint32_t)(to - start)};
}

/* Whether a name as written says this. */
SM_API bool sm_json_name_is(sm_bytes name, sm_bytes wanted) {
    sm_bytes inside = sm_slice(name, 1, name.size - 1);
    for (uint32_t i = 0; i < inside.size; i++)
        if (inside.data[i] == '\\') return sm_equal(sm_json_string(name), wanted);
    return sm_equal(inside, wanted);
}

/* What a path such as `user.names.0` leads to. Of names that occur twice, the last one counts. */
SM_API bool sm_json_get(sm_json root, sm_bytes path, sm_json *found) {
    sm_bytes step;
    sm_json here = root;
    while (sm_split(&path, '.', &step)) {
        sm_json_walk walk = sm_json_items(here);
        sm_bytes name;
        sm_json item;
        bool is_there = false;
        int64_t index = -1, number = 0;
        if (here.kind == SM_JSON_ARRAY && !sm_parse_int(step, &index)) return false;
        for (; sm_json_next(&walk, &name, &item); number++)
            if (walk.is_object ? sm_json_name_is(name, step) : number == index) {
                here = item;
                is_there = true;
            }
        if (!is_there) return false;
    }
    *found = here;
    return true;
}

/* A value as written, without the space around its parts. */
SM_API void sm_append_json(sm_buffer *buffer, sm_json value) {
    const uint8_t *at = value.text.data, *end = at + value.text.size;
    while (at < end) {
        const uint8_t *next = *at == '"' ? sm_json_string_end(at, end) : at + 1;
        if (sm_json_space(at, next) != next) sm_append(buffer, (sm_bytes){at, (uint32_t)(next - at)});
        at = next;
    }
}

/* Text as a JSON string, with its quotes. */
SM_API void sm_append_json_string(sm_buffer *buffer, sm_bytes text) {
    static const char hex[] = "0123456789abcdef";
    sm_append_byte(buffer, '"');
    for (uint32_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        if (byte == '"' || byte == '\\') {
            sm_append_byte(buffer, '\\');
            sm_append_byte(buffer, byte);
        } else if (byte == '\n') {
            sm_append_text(buffer, "\\n");
        } else if (byte == '\r') {
            sm_append_text(buffer, "\\r");
        } else if (byte == '\t') {
            sm_append_text(buffer, "\\t");
        } else if (byte < 0x20) {
            sm_append_text(buffer, "\\u00");
            sm_append_byte(buffer, (uint8_t)hex[byte >> 4]);
            sm_append_byte(buffer, (uint8_t)hex[byte & 15]);
        } else {
            sm_append_byte(buffer, byte);
        }
    }
    sm_append_byte(buffer, '"');
}

/* -- The binary interface ------------------------------------------------------------------------ */

__attribute__((import_module("env"), import_name("copy_records"))) void sm_copy_records(
    const void *data, uint32_t size);

typedef struct {
    const uint8_t *at, *end;
    bool is_broken;
} sm_reader;

typedef int (*sm_step)(sm_bytes accumulator, const sm_record *record, sm_output *out);

enum { SM_KIND_FILTER, SM_KIND_MAP, SM_KIND_ARRAY_MAP, SM_KIND_AGGREGATE, SM_KIND_FILTER_MAP };

#define SM_INPUT_BROKEN (-11)
#define SM_INIT_FAILED (-2)
#define SM_LOOK_BACK_FAILED (-99)
#define SM_LOOK_BACK_INPUT_BROKEN (-66)

static bool sm_has_begun, sm_begin_failed;

int sm_author_init(void) __attribute__((weak));

SM_API sm_bytes sm_read(sm_reader *reader, uint64_t size) {
    sm_bytes bytes = {reader->at, (uint32_t)size};
    if (reader->is_broken || size > (uint64_t)(reader->end - reader->at)) {
        reader->is_broken = true;
        return (sm_bytes){reader->at, 0};
    }
    reader->at += size;
    return bytes;
}

SM_API int64_t sm_read_fixed(sm_reader *reader, uint32_t size) {
    sm_bytes bytes = sm_read(reader, size);
    uint64_t found = 0;
    for (uint32_t i = 0; i < bytes.size; i++) found = found << 8 | bytes.data[i];
    uint32_t unused = 64 - 8 * size;
    return (int64_t)(found << unused) >> unused;
}

SM_API int64_t sm_read_varint(sm_reader *reader) {
    uint64_t found = 0;
    for (uint32_t shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
        uint8_t byte = *reader->at++;
        found |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return (int64_t)(found >> 1) ^ -(int64_t)(found & 1);
    }
    reader->is_broken = true;
    return 0;
}

SM_API sm_bytes sm_read_text(sm_reader *reader) {
    return sm_read(reader, (uint64_t)sm_read_fixed(reader, 2)); /* below zero is too much to read */
}

SM_API sm_bytes sm_read_sized(sm_reader *reader) {
    return sm_read(reader, (uint64_t)sm_read_fixed(reader, 4));
}

SM_API void sm_put_varint(sm_buffer *buffer, int64_t number) {
    uint64_t rest = ((uint64_t)number << 1) ^ (uint64_t)(number >> 63);
    for (; rest >= 0x80; rest >>= 7) sm_append_byte(buffer, (uint8_t)(rest | 0x80));
    sm_append_byte(buffer, (uint8_t)rest);
}

SM_API uint32_t sm_varint_size(int64_t number) {
    uint64_t rest = ((uint64_t)number << 1) ^ (uint64_t)(number >> 63);
    uint32_t size = 1;
    while (rest >>= 7) size++;
    return size;
}

SM_API void sm_put_fixed(uint8_t *to, uint64_t number, uint32_t size) {
    for (uint32_t i = size; i-- > 0; number >>= 8) to[i] = (uint8_t)number;
}

SM_API void sm_put_data(sm_buffer *buffer, sm_bytes bytes) {
    sm_put_varint(buffer, bytes.size);
    sm_append(buffer, bytes);
}

SM_API void sm_put_key(sm_buffer *buffer, bool has_key, sm_bytes key) {
    sm_append_byte(buffer, has_key);
    if (has_key) sm_put_data(buffer, key);
}

SM_API void sm_put_hint(sm_buffer *buffer) {
    sm_bytes hint = sm_hint();
    sm_put_fixed(sm_extend(buffer, 2), hint.size, 2);
    sm_append(buffer, hint);
}

SM_API void sm_put_record(
    sm_buffer *buffer, int64_t timestamp_delta, int64_t offset_delta, bool has_key, sm_bytes key,
    sm_bytes value) {
    int64_t size = 1 + sm_varint_size(timestamp_delta) + sm_varint_size(offset_delta) + 1 +
                   sm_varint_size(value.size) + value.size + 1;
    if (has_key) size += sm_varint_size(key.size) + key.size;
    sm_put_varint(buffer, size);
    sm_append_byte(buffer, 0);
    sm_put_varint(buffer, timestamp_delta);
    sm_put_varint(buffer, offset_delta);
    sm_put_key(buffer, has_key, key);
    sm_put_data(buffer, value);
    sm_put_varint(buffer, 0);
}

/* The key that the results have from here on, instead of the record's own. */
SM_API void sm_set_key(sm_output *out, sm_bytes key) {
    out->has_key = true;
    out->key.size = 0;
    sm_append(&out->key, key);
}

SM_API void sm_remove_key(sm_output *out) { out->has_key = false; }

/* Only in an array_map: what was appended to &out->value is one record, and the next one begins. */
SM_API void sm_emit(sm_output *out) {
    sm_put_record(out->result, 0, 0, out->has_key, SM_CONTENT(out->key), SM_CONTENT(out->value));
    out->value.size = 0;
    out->emitted++;
}

/* Take `{str: str}`, for as long as the instance lives. */
SM_API void sm_read_parameters(sm_reader *reader) {
    int64_t count = sm_read_fixed(reader, 2);
    if (count <= 0 || sm_parameter_count) return;
    sm_parameters = sm_alloc((uint64_t)count * sizeof(sm_parameter));
    for (int64_t i = 0; i < count && !reader->is_broken; i++) {
        sm_bytes name = sm_read_text(reader), value = sm_read_text(reader);
        if (reader->is_broken) break;
        sm_parameters[sm_parameter_count++] = (sm_parameter){sm_keep_bytes(name), sm_keep_bytes(value)};
    }
}

SM_API void sm_skip_lookback(sm_reader *reader, int32_t version) {
    if (version < 20 || !sm_read_fixed(reader, 1)) return;
    sm_read(reader, 8);
    if (version >= 21 && sm_read_fixed(reader, 1)) sm_read(reader, 8 + 4);
}

/* The author's init, once: on `init`, or at the first call of a host that has no such call. */
SM_API int sm_begin(void) {
    if (!sm_has_begun) {
        sm_has_begun = true;
        sm_message_size = 0;
        sm_begin_failed = sm_author_init && sm_author_init() < 0;
    }
    return sm_begin_failed ? SM_ERROR : SM_OK;
}

SM_EXPORT("init") int32_t sm_export_init(const uint8_t *data, uint32_t size, int32_t version) {
    (void)version;
    sm_reader reader = {data, data + size, false};
    sm_buffer result = {0};
    sm_read_parameters(&reader);
    sm_call_is_over = true;
    if (reader.is_broken) return SM_INPUT_BROKEN;
    if (sm_begin() >= 0) return 0;
    sm_put_hint(&result);
    sm_copy_records(result.data, result.size);
    return SM_INIT_FAILED;
}

typedef struct {
    sm_reader records; /* the batch, its count read */
    uint32_t count;
    int64_t base_offset, base_timestamp; /* -1 when not known */
    int64_t timestamp_delta, offset_delta;
    sm_bytes encoded; /* the record that was read last */
    sm_bytes accumulator;
} sm_input;

SM_API bool sm_read_input(sm_input *input, sm_reader *reader, int32_t version, bool has_accumulator) {
    input->base_offset = sm_read_fixed(reader, 8);
    sm_bytes batch = sm_read_sized(reader);
    if (version <= 22) {
        sm_read_parameters(reader);
        sm_skip_lookback(reader, version);
        if (version >= 16) sm_read_sized(reader);
    }
    input->base_timestamp = version >= 22 ? sm_read_fixed(reader, 8) : -1;
    if (has_accumulator) input->accumulator = sm_read_sized(reader);
    input->records = (sm_reader){batch.data, batch.data + batch.size, false};
    int64_t count = batch.size ? sm_read_fixed(&input->records, 4) : 0;
    input->count = (uint32_t)count;
    return !reader->is_broken && !input->records.is_broken && count >= 0;
}

SM_API bool sm_read_record(sm_input *input, sm_record *record) {
    const uint8_t *start = input->records.at;
    sm_bytes body = sm_read(&input->records, (uint64_t)sm_read_varint(&input->records));
    if (input->records.is_broken) return false;
    sm_reader reader = {body.data, body.data + body.size, false};
    input->encoded = (sm_bytes){start, (uint32_t)(input->records.at - start)};
    sm_read(&reader, 1);
    input->timestamp_delta = sm_read_varint(&reader);
    input->offset_delta = sm_read_varint(&reader);
    record->has_key = sm_read_fixed(&reader, 1) != 0;
    record->key = (sm_bytes){body.data, 0};
    if (record->has_key) record->key = sm_read(&reader, (uint64_t)sm_read_varint(&reader));
    record->value = sm_read(&reader, (uint64_t)sm_read_varint(&reader));
    sm_read_varint(&reader);
    record->offset = input->base_offset + input->offset_delta;
    /* A batch that was stored without a time, and all that a look-back shows, has no base. */
    record->timestamp = input->base_timestamp > 0 ? input->base_timestamp + input->timestamp_delta : -1;
    return !reader.is_broken;
}

SM_API int32_t sm_transform(
    const uint8_t *data, uint32_t size, int32_t version, uint8_t kind, sm_step step) {
    sm_reader reader = {data, data + size, false};
    sm_buffer result = {0};
    sm_output out = {.result = &result};
    sm_buffer spare = {0}; /* an aggregate reads one and writes the other */
    sm_input input = {0};
    sm_record record;
    bool is_aggregate = kind == SM_KIND_AGGREGATE;
    int32_t successes = 0;
    int answer = SM_OK;
    sm_call_is_over = true;
    if (!sm_read_input(&input, &reader, version, is_aggregate)) return SM_INPUT_BROKEN;
    sm_put_fixed(sm_extend(&result, 4), 0, 4);
    for (uint32_t i = 0; i < input.count && answer >= 0; i++) {
        if (!sm_read_record(&input, &record)) return SM_INPUT_BROKEN;
        uint32_t before = result.size;
        out.value.size = out.emitted = 0;
        if (kind != SM_KIND_FILTER) {
            sm_remove_key(&out);
            if (record.has_key) sm_set_key(&out, record.key);
        }
        answer = sm_begin();
        if (answer >= 0) {
            sm_message_size = 0;
            answer = step(input.accumulator, &record, &out);
        }
        if (answer < 0) {
            result.size = before; /* an array_map may have emitted some */
        } else if (kind == SM_KIND_ARRAY_MAP) {
            successes += (int32_t)out.emitted;
        } else if (kind == SM_KIND_FILTER) {
            if (answer) sm_append(&result, input.encoded), successes++;
        } else if (kind != SM_KIND_FILTER_MAP || answer) {
            sm_put_record(&result, input.timestamp_delta, input.offset_delta, out.has_key,
                          SM_CONTENT(out.key), SM_CONTENT(out.value));
            successes++;
            if (is_aggregate) {
                sm_buffer written = out.value;
                input.accumulator = SM_CONTENT(written);
                out.value = spare;
                spare = written;
            }
        }
    }
    sm_put_fixed(result.data, (uint32_t)successes, 4);
    sm_append_byte(&result, answer < 0);
    if (answer < 0) {
        sm_put_hint(&result);
        sm_put_fixed(sm_extend(&result, 8), (uint64_t)record.offset, 8);
        sm_append_byte(&result, kind);
        sm_put_key(&result, record.has_key, record.key);
        sm_put_data(&result, record.value);
    }
    if (is_aggregate && version >= 16) {
        sm_put_fixed(sm_extend(&result, 4), input.accumulator.size, 4);
        sm_append(&result, input.accumulator);
    }
    sm_copy_records(result.data, result.size);
    return successes;
}

SM_API int32_t sm_look_back(const uint8_t *data, uint32_t size, int32_t version, sm_step step) {
    sm_reader reader = {data, data + size, false};
    sm_buffer result = {0};
    sm_input input = {0};
    sm_record record;
    sm_call_is_over = true;
    if (!sm_read_input(&input, &reader, version, false)) return SM_LOOK_BACK_INPUT_BROKEN;
    for (uint32_t i = 0; i < input.count; i++) {
        if (!sm_read_record(&input, &record)) return SM_LOOK_BACK_INPUT_BROKEN;
        int answer = sm_begin();
        if (answer >= 0) {
            sm_message_size = 0;
            answer = step(input.accumulator, &record, NULL);
        }
        if (answer < 0) {
            sm_put_hint(&result);
            sm_put_fixed(sm_extend(&result, 8), (uint64_t)record.offset, 8);
            sm_put_key(&result, record.has_key, record.key);
            sm_put_data(&result, record.value);
            sm_copy_records(result.data, result.size);
            return SM_LOOK_BACK_FAILED;
        }
    }
    return 0;
}

/* The author's function, and the export that calls it for each record. */
#define SM_TRANSFORM_(name, kind, parameters, arguments)                                             \
    static int sm_author_##name parameters;                                                          \
    static int sm_step_##name(sm_bytes sm_before, const sm_record *sm_each, sm_output *sm_result) {  \
        (void)sm_before, (void)sm_result;                                                            \
        return sm_author_##name arguments;                                                           \
    }                                                                                                \
    SM_EXPORT(#name)                                                                                 \
    int32_t sm_export_##name(const uint8_t *data, uint32_t size, int32_t version) {                  \
        return sm_transform(data, size, version, kind, sm_step_##name);                              \
    }                                                                                                \
    static int sm_author_##name parameters

#define SM_FILTER(record) SM_TRANSFORM_(filter, SM_KIND_FILTER, (const sm_record *record), (sm_each))
#define SM_MAP(record, out)                                                                          \
    SM_TRANSFORM_(map, SM_KIND_MAP, (const sm_record *record, sm_output *out), (sm_each, sm_result))
#define SM_FILTER_MAP(record, out)                                                                   \
    SM_TRANSFORM_(filter_map, SM_KIND_FILTER_MAP, (const sm_record *record, sm_output *out),         \
                  (sm_each, sm_result))
#define SM_ARRAY_MAP(record, out)                                                                    \
    SM_TRANSFORM_(array_map, SM_KIND_ARRAY_MAP, (const sm_record *record, sm_output *out),           \
                  (sm_each, sm_result))
#define SM_AGGREGATE(accumulator, record, out)                                                       \
    SM_TRANSFORM_(aggregate, SM_KIND_AGGREGATE,                                                      \
                  (sm_bytes accumulator, const sm_record *record, sm_output *out),                   \
                  (sm_before, sm_each, sm_result))

#define SM_INIT() int sm_author_init(void)
#define SM_LOOK_BACK(record)                                                                         \
    static int sm_author_look_back(const sm_record *record);                                         \
    static int sm_step_look_back(sm_bytes sm_before, const sm_record *sm_each, sm_output *sm_result) { \
        (void)sm_before, (void)sm_result;                                                            \
        return sm_author_look_back(sm_each);                                                         \
    }                                                                                                \
    SM_EXPORT("look_back")                                                                           \
    int32_t sm_export_look_back(const uint8_t *data, uint32_t size, int32_t version) {               \
        return sm_look_back(data, size, version, sm_step_look_back);                                 \
    }                                                                                                \
    static int sm_author_look_back(const sm_record *record)

#endif
