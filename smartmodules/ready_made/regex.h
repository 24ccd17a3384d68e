/* regex.h: find a regular expression in UTF-8 text, in time that grows with the text alone.
 *
 * The expression becomes a machine whose states are many at a time (Thompson's); sets of states that
 * occur become states of a second machine that is one step per byte, built while it runs and thrown away
 * when it grows too large. Nothing ever goes back in the text, so no expression can be slow.
 *
 * Known: characters, . [a-z] [^a-z] \d \D \w \W \s \S \t \n \r \f \v \xHH and \ before punctuation,
 * * + ? {m} {m,} {m,n} with or without a following ?, | ( ) (?: ) ^ $. All else is refused. `.` is any
 * character but a line feed, \d \w \s know ASCII alone, ^ and $ are the text's beginning and end.
 */
#ifndef REGEX_H
#define REGEX_H

#include "fluvio_smartmodule.h"

#define REGEX_DEPTH_MAX 50
#define REGEX_SIZE_MAX 4096 /* bytes of the expression */
#define REGEX_REPEAT_MAX 1000
#define REGEX_STEP_COUNT_MAX 100000 /* while the first machine is built */
#define REGEX_STATE_COUNT_MAX 8192 /* of the first machine */
#define REGEX_SET_COUNT_MAX 256 /* of the second */
#define REGEX_SET_TABLE_SIZE 1024
#define REGEX_RANGE_COUNT_MAX 256 /* in one class */
#define REGEX_CODE_MAX 0x10ffff

typedef enum { REGEX_BYTE, REGEX_SPLIT, REGEX_BEGIN, REGEX_END, REGEX_MATCH } regex_kind;

typedef struct {
    uint8_t kind, low, high; /* the bytes that a REGEX_BYTE takes */
    int32_t next, other;
} regex_state;

/* A set of states of the first machine, and where each byte leads from it. */
typedef struct {
    int32_t next[256]; /* -1: not known yet */
    int32_t *members;
    uint32_t member_count, hash;
    bool is_match, is_match_at_end;
} regex_set;

typedef struct {
    uint32_t low, high;
} regex_range;

typedef struct {
    regex_range ranges[REGEX_RANGE_COUNT_MAX];
    uint32_t count;
} regex_class;

typedef enum {
    REGEX_NODE_EMPTY,
    REGEX_NODE_CLASS,
    REGEX_NODE_BEGIN,
    REGEX_NODE_END,
    REGEX_NODE_BOTH, /* left, then right */
    REGEX_NODE_EITHER,
    REGEX_NODE_REPEAT, /* left, from `least` to `most` times; most below 0 is without end */
} regex_node_kind;

/* A part of the expression as it was read. Long rows and alternatives lean to the left. */
typedef struct regex_node {
    regex_node_kind kind;
    const struct regex_node *left, *right;
    int32_t least, most;
    const regex_range *ranges;
    uint32_t range_count;
} regex_node;

static sm_bytes regex_text;
static uint32_t regex_read_to, regex_step_count;
static bool regex_failed;
static regex_state *regex_states;
static int32_t regex_state_count, regex_start;
static regex_set *regex_sets[REGEX_SET_COUNT_MAX];
static int32_t regex_set_count, regex_first = -1, regex_set_table[REGEX_SET_TABLE_SIZE];
static uint32_t *regex_marks, regex_mark;
static int32_t *regex_gathered, *regex_waiting, regex_gathered_count;

SM_API void regex_fail(uint32_t at, const char *why) {
    if (!regex_failed)
        sm_error("parameter \"regex\" is \"%.*s\"; at its byte %u: %s", SM_TEXT(regex_text), at, why);
    regex_failed = true;
}

/* -- Classes of characters ----------------------------------------------------------------------- */

SM_API void regex_class_add(regex_class *class, uint32_t low, uint32_t high) {
    if (class->count == REGEX_RANGE_COUNT_MAX) {
        regex_fail(0, "a class has too many characters");
        return;
    }
    uint32_t at = class->count++;
    for (; at && class->ranges[at - 1].low > low; at--) class->ranges[at] = class->ranges[at - 1];
    class->ranges[at] = (regex_range){low, high};
}

SM_API void regex_class_negate(regex_class *class) {
    regex_class found = {.count = 0};
    uint32_t from = 0;
    for (uint32_t i = 0; i < class->count; i++) {
        if (class->ranges[i].low > from) regex_class_add(&found, from, class->ranges[i].low - 1);
        if (class->ranges[i].high >= from) from = class->ranges[i].high + 1;
    }
    if (from <= REGEX_CODE_MAX) regex_class_add(&found, from, REGEX_CODE_MAX);
    *class = found;
}

/* Add \d, \w, \s or one of their opposites. */
SM_API bool regex_class_add_letter(regex_class *class, uint8_t letter) {
    regex_class found = {.count = 0};
    switch (letter | 0x20) {
    case 'd':
        regex_class_add(&found, '0', '9');
        break;
    case 'w':
        regex_class_add(&found, '0', '9');
        regex_class_add(&found, 'A', 'Z');
        regex_class_add(&found, '_', '_');
        regex_class_add(&found, 'a', 'z');
        break;
    case 's':
        regex_class_add(&found, '\t', '\r');
        regex_class_add(&found, ' ', ' ');
        break;
    default:
        return false;
    }
    if (!(letter & 0x20)) regex_class_negate(&found);
    for (uint32_t i = 0; i < found.count; i++)
        regex_class_add(class, found.ranges[i].low, found.ranges[i].high);
    return true;
}

/* -- Reading the expression ---------------------------------------------------------------------- */

SM_API uint8_t regex_at(uint32_t at) { return at < regex_text.size ? regex_text.data[at] : 0; }

SM_API uint32_t regex_character(uint32_t *at) {
    uint8_t byte = regex_text.data[(*at)++];
    if (byte < 0x80) return byte;
    uint32_t more = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1, code = byte & (0x3f >> more);
    while (more--) code = code << 6 | (regex_text.data[(*at)++] & 0x3f);
    return code;
}

SM_API bool regex_is_word(uint8_t byte) {
    return sm_is_digit(byte) || (uint8_t)((byte | 0x20) - 'a') < 26 || byte == '_' || byte >= 0x80;
}

/* What follows a backslash, when it means one character. */
SM_API bool regex_escape(uint32_t *at, uint32_t *code) {
    static const char letters[] = "tnrfv", meanings[] = "\t\n\r\f\v";
    uint8_t letter = regex_at(*at);
    if (letter == 'x') {
        int high = sm_hex_digit(regex_at(*at + 1)), low = sm_hex_digit(regex_at(*at + 2));
        if (high < 0 || low < 0) return false;
        *code = (uint32_t)(high * 16 + low);
        *at += 3;
        return true;
    }
    for (int i = 0; letters[i]; i++)
        if (letter == (uint8_t)letters[i]) return *code = (uint8_t)meanings[i], ++*at, true;
    if (letter <= ' ' || letter == 0x7f || regex_is_word(letter)) return false;
    return *code = letter, ++*at, true;
}

/* One end of a range, or what stands alone; gives false when that was \\d and its like. */
SM_API bool regex_read_class_item(regex_class *class, bool may_be_letter, uint32_t *code) {
    uint32_t at = regex_read_to;
    if (regex_at(at) != '\\') {
        *code = regex_character(&regex_read_to);
        return true;
    }
    if (may_be_letter && regex_class_add_letter(class, regex_at(at + 1))) {
        regex_read_to += 2;
        return false;
    }
    ++regex_read_to;
    if (!regex_escape(&regex_read_to, code)) regex_fail(at, "an escape that is not known here");
    return true;
}

/* From behind the [ to behind the ]. */
SM_API void regex_read_class(regex_class *class) {
    uint32_t start = regex_read_to - 1;
    bool is_negative = regex_at(regex_read_to) == '^';
    regex_read_to += is_negative;
    for (bool is_first = true; is_first || regex_at(regex_read_to) != ']'; is_first = false) {
        uint32_t low = 0, high, at = regex_read_to;
        if (at >= regex_text.size) regex_fail(start, "[ without ]");
        if (regex_at(at) == '[' && regex_at(at + 1) == ':') regex_fail(at, "[: is not known");
        if (regex_failed) return;
        if (!regex_read_class_item(class, true, &low)) continue;
        high = low;
        if (regex_at(regex_read_to) == '-' && regex_at(regex_read_to + 1) != ']' &&
            regex_read_to + 1 < regex_text.size) {
            ++regex_read_to;
            regex_read_class_item(class, false, &high);
        }
        if (low > high) regex_fail(at, "a range that ends before it begins");
        if (regex_failed) return;
        regex_class_add(class, low, high);
    }
    ++regex_read_to;
    if (is_negative) regex_class_negate(class);
}

SM_API const regex_node *regex_node_of(regex_node node) {
    regex_node *kept = sm_alloc(sizeof(regex_node));
    *kept = node;
    return kept;
}

SM_API const regex_node *regex_node_of_class(const regex_class *class) {
    uint32_t size = class->count * sizeof(regex_range);
    regex_range *ranges = sm_alloc(size);
    sm_copy(ranges, class->ranges, size);
    return regex_node_of(
        (regex_node){.kind = REGEX_NODE_CLASS, .ranges = ranges, .range_count = class->count});
}

SM_API const regex_node *regex_read_either(int depth);

/* One thing that may be repeated; of what may not, gives it with `is_anchor`. */
SM_API const regex_node *regex_read_atom(int depth, bool *is_anchor) {
    static regex_class class; /* too large for the stack in each of many groups */
    uint32_t at = regex_read_to, code;
    uint8_t byte = regex_at(at);
    *is_anchor = byte == '^' || byte == '$';
    if (*is_anchor) {
        regex_read_to++;
        return regex_node_of(
            (regex_node){.kind = byte == '^' ? REGEX_NODE_BEGIN : REGEX_NODE_END});
    }
    if (byte == '(') {
        regex_read_to++;
        if (regex_at(at + 1) == '?') {
            if (regex_at(at + 2) != ':') regex_fail(at, "of groups with ?, only (?: is known");
            regex_read_to += 2;
        }
        const regex_node *inside = regex_failed ? NULL : regex_read_either(depth + 1);
        if (regex_at(regex_read_to) != ')') regex_fail(at, "( without )");
        regex_read_to++;
        return inside;
    }
    class.count = 0;
    if (byte == '*' || byte == '+' || byte == '?') {
        regex_fail(at, "there is nothing to repeat");
    } else if (byte == '{') {
        regex_fail(at, "{ repeats nothing; write \\{ for the character");
    } else if (byte == '.') {
        regex_read_to++;
        regex_class_add(&class, 0, '\n' - 1);
        regex_class_add(&class, '\n' + 1, REGEX_CODE_MAX);
    } else if (byte == '[') {
        regex_read_to++;
        regex_read_class(&class);
    } else if (regex_read_class_item(&class, true, &code)) {
        regex_class_add(&class, code, code);
    }
    return regex_node_of_class(&class);
}

SM_API bool regex_read_count(int32_t *count) {
    uint32_t start = regex_read_to;
    for (*count = 0; sm_is_digit(regex_at(regex_read_to)); regex_read_to++)
        if (*count <= REGEX_REPEAT_MAX) *count = *count * 10 + regex_at(regex_read_to) - '0';
    return regex_read_to > start;
}

/* {m} or {m,} or {m,n} */
SM_API void regex_read_counts(int32_t *least, int32_t *most) {
    uint32_t at = regex_read_to++;
    bool is_right = regex_read_count(least);
    *most = *least;
    if (is_right && regex_at(regex_read_to) == ',') {
        regex_read_to++;
        if (!regex_read_count(most)) *most = -1;
    }
    if (!is_right || regex_at(regex_read_to) != '}') {
        regex_fail(at, "{ that is not {m}, {m,} or {m,n}; write \\{ for the character");
        return;
    }
    regex_read_to++;
    if (*least > REGEX_REPEAT_MAX || *most > REGEX_REPEAT_MAX)
        regex_fail(at, "more than 1000 repetitions");
    else if (*most >= 0 && *most < *least)
        regex_fail(at, "a repetition that ends before it begins");
}

SM_API bool regex_repeats(uint8_t byte) {
    return byte == '*' || byte == '+' || byte == '?' || byte == '{';
}

SM_API const regex_node *regex_read_repeated(int depth) {
    bool is_anchor;
    const regex_node *atom = regex_read_atom(depth, &is_anchor);
    uint8_t byte = regex_at(regex_read_to);
    if (regex_failed || !regex_repeats(byte)) return atom;
    regex_node node = {.kind = REGEX_NODE_REPEAT, .left = atom, .least = byte == '+', .most = -1};
    if (is_anchor) regex_fail(regex_read_to, "there is nothing to repeat");
    if (byte == '{') {
        regex_read_counts(&node.least, &node.most);
    } else {
        regex_read_to++;
        if (byte == '?') node.most = 1;
    }
    /* Whether to take few or many makes no difference to whether it is found. */
    if (regex_at(regex_read_to) == '?') regex_read_to++;
    if (regex_repeats(regex_at(regex_read_to))) regex_fail(regex_read_to, "a repetition of a repetition");
    return regex_node_of(node);
}

SM_API const regex_node *regex_read_row(int depth) {
    const regex_node *row = NULL;
    while (!regex_failed && regex_read_to < regex_text.size && regex_at(regex_read_to) != '|' &&
           regex_at(regex_read_to) != ')') {
        const regex_node *next = regex_read_repeated(depth);
        row = row ? regex_node_of((regex_node){.kind = REGEX_NODE_BOTH, .left = row, .right = next})
                  : next;
    }
    return row ? row : regex_node_of((regex_node){.kind = REGEX_NODE_EMPTY});
}

SM_API const regex_node *regex_read_either(int depth) {
    if (depth > REGEX_DEPTH_MAX) regex_fail(regex_read_to, "groups in too many groups");
    const regex_node *either = regex_read_row(depth);
    while (!regex_failed && regex_at(regex_read_to) == '|') {
        regex_read_to++;
        const regex_node *next = regex_read_row(depth);
        either = regex_node_of(
            (regex_node){.kind = REGEX_NODE_EITHER, .left = either, .right = next});
    }
    return either;
}

/* -- Building the first machine, from its end to its beginning ----------------------------------- */

SM_API int32_t regex_add(regex_kind kind, uint8_t low, uint8_t high, int32_t next, int32_t other) {
    if (regex_state_count == REGEX_STATE_COUNT_MAX) {
        regex_fail(0, "it is too large");
        return 0;
    }
    regex_states[regex_state_count] = (regex_state){(uint8_t)kind, low, high, next, other};
    return regex_state_count++;
}

/* Alternatives of bytes for the characters from `low` to `high`, before what `alternative` leads to. */
SM_API int32_t regex_add_range(uint32_t low, uint32_t high, int32_t next, int32_t alternative) {
    static const uint32_t sizes[] = {0x7f, 0x7ff, 0xffff};
    for (int i = 0; i < 3; i++)
        if (low <= sizes[i] && sizes[i] < high) {
            alternative = regex_add_range(sizes[i] + 1, high, next, alternative);
            return regex_add_range(low, sizes[i], next, alternative);
        }
    for (uint32_t bits = 6; low >= 0x80 && bits <= 18; bits += 6) {
        uint32_t mask = (1u << bits) - 1;
        if ((low & ~mask) == (high & ~mask)) continue;
        uint32_t cut = low & mask ? (low | mask) + 1 : (high & mask) != mask ? high & ~mask : 0;
        if (!cut) continue;
        alternative = regex_add_range(cut, high, next, alternative);
        return regex_add_range(low, cut - 1, next, alternative);
    }
    uint8_t first[4], last[4];
    uint32_t size = sm_utf8(low, first);
    sm_utf8(high, last);
    for (uint32_t i = size; i-- > 0;) next = regex_add(REGEX_BYTE, first[i], last[i], next, -1);
    return alternative < 0 ? next : regex_add(REGEX_SPLIT, 0, 0, next, alternative);
}

SM_API int32_t regex_add_class(const regex_node *node, int32_t next) {
    int32_t alternative = -1;
    uint32_t from = 0;
    for (uint32_t i = 0; i < node->range_count; i++) {
        regex_range range = node->ranges[i];
        if (range.low < from) range.low = from;
        if (range.low > range.high) continue;
        alternative = regex_add_range(range.low, range.high, next, alternative);
        from = range.high + 1;
    }
    /* An empty class, such as [^\d\D], takes no byte at all. */
    return alternative < 0 ? regex_add(REGEX_BYTE, 1, 0, next, -1) : alternative;
}

SM_API int32_t regex_add_node(const regex_node *node, int32_t next);

SM_API int32_t regex_add_repeat(const regex_node *node, int32_t next) {
    int32_t least = node->least, start = next;
    if (node->most < 0) {
        int32_t split = regex_add(REGEX_SPLIT, 0, 0, next, next);
        int32_t inside = regex_add_node(node->left, split);
        if (regex_failed) return 0;
        regex_states[split].next = inside;
        start = least ? inside : split;
        least -= least > 0;
    }
    for (int32_t i = node->least; i < node->most && !regex_failed; i++)
        start = regex_add(REGEX_SPLIT, 0, 0, regex_add_node(node->left, start), next);
    for (int32_t i = 0; i < least && !regex_failed; i++) start = regex_add_node(node->left, start);
    return start;
}

SM_API int32_t regex_add_node(const regex_node *node, int32_t next) {
    if (++regex_step_count > REGEX_STEP_COUNT_MAX) regex_fail(0, "it is too large");
    for (; node->kind == REGEX_NODE_BOTH && !regex_failed; node = node->left)
        next = regex_add_node(node->right, next);
    if (regex_failed) return 0;
    int32_t alternative = -1, start;
    switch (node->kind) {
    case REGEX_NODE_CLASS: return regex_add_class(node, next);
    case REGEX_NODE_BEGIN: return regex_add(REGEX_BEGIN, 0, 0, next, -1);
    case REGEX_NODE_END: return regex_add(REGEX_END, 0, 0, next, -1);
    case REGEX_NODE_REPEAT: return regex_add_repeat(node, next);
    case REGEX_NODE_EITHER:
        for (; node->kind == REGEX_NODE_EITHER && !regex_failed; node = node->left) {
            start = regex_add_node(node->right, next);
            alternative = alternative < 0 ? start : regex_add(REGEX_SPLIT, 0, 0, start, alternative);
        }
        start = regex_failed ? 0 : regex_add_node(node, next);
        return regex_add(REGEX_SPLIT, 0, 0, start, alternative);
    default: return next;
    }
}

/* -- Running: the second machine ----------------------------------------------------------------- */

/* Gather the states that are reached from `from` without a byte. */
SM_API void regex_gather(int32_t from, bool is_begin, bool is_end) {
    int32_t waiting = 0;
    regex_waiting[waiting++] = from;
    while (waiting) {
        int32_t at = regex_waiting[--waiting];
        const regex_state *state = &regex_states[at];
        if (regex_marks[at] == regex_mark) continue;
        regex_marks[at] = regex_mark;
        if (state->kind == REGEX_SPLIT) {
            regex_waiting[waiting++] = state->other;
            regex_waiting[waiting++] = state->next;
        } else if (state->kind == REGEX_BEGIN) {
            if (is_begin) regex_waiting[waiting++] = state->next;
        } else if (state->kind == REGEX_END && is_end) {
            regex_waiting[waiting++] = state->next;
        } else {
            regex_gathered[regex_gathered_count++] = at;
        }
    }
}

SM_API void regex_begin_gathering(void) {
    regex_gathered_count = 0;
    if (++regex_mark == 0) { /* after so many rounds, old marks could be taken for new ones */
        __builtin_memset(regex_marks, 0, (size_t)regex_state_count * sizeof(uint32_t));
        regex_mark = 1;
    }
}

SM_API bool regex_gathered_match(void) {
    for (int32_t i = 0; i < regex_gathered_count; i++)
        if (regex_states[regex_gathered[i]].kind == REGEX_MATCH) return true;
    return false;
}

SM_API void regex_forget_sets(void) {
    while (regex_set_count) {
        regex_set *set = regex_sets[--regex_set_count];
        sm_free(set->members);
        sm_free(set);
    }
    regex_first = -1;
    __builtin_memset(regex_set_table, 0, sizeof(regex_set_table));
}

/* The set of the states that were gathered; forgets the others when there are too many. */
SM_API int32_t regex_set_of_gathered(bool is_begin) {
    uint32_t size = (uint32_t)regex_gathered_count * sizeof(int32_t), hash = 2166136261u;
    for (int32_t i = 0; i < regex_gathered_count; i++)
        hash = (hash ^ (uint32_t)regex_gathered[i]) * 16777619u;
    uint32_t place = (hash ^ hash >> 16) % REGEX_SET_TABLE_SIZE;
    /* The first set is not among them: at the end of an empty text it is at the beginning, too. */
    for (; !is_begin && regex_set_table[place]; place = (place + 1) % REGEX_SET_TABLE_SIZE) {
        const regex_set *set = regex_sets[regex_set_table[place] - 1];
        if (set->hash == hash && set->member_count == (uint32_t)regex_gathered_count &&
            !memcmp(set->members, regex_gathered, size))
            return regex_set_table[place] - 1;
    }
    if (regex_set_count == REGEX_SET_COUNT_MAX) {
        regex_forget_sets();
        place = (hash ^ hash >> 16) % REGEX_SET_TABLE_SIZE;
    }
    regex_set *set = sm_alloc(sizeof(regex_set));
    *set = (regex_set){.hash = hash, .member_count = (uint32_t)regex_gathered_count};
    __builtin_memset(set->next, 0xff, sizeof(set->next));
    set->members = sm_alloc(size);
    sm_copy(set->members, regex_gathered, size);
    set->is_match = regex_gathered_match();
    regex_begin_gathering();
    for (uint32_t i = 0; i < set->member_count; i++)
        if (regex_states[set->members[i]].kind == REGEX_END)
            regex_gather(set->members[i], is_begin, true);
    set->is_match_at_end = set->is_match || regex_gathered_match();
    if (!is_begin) regex_set_table[place] = regex_set_count + 1;
    regex_sets[regex_set_count] = set;
    return regex_set_count++;
}

SM_API int32_t regex_step(int32_t from, uint8_t byte) {
    regex_set *set = regex_sets[from];
    regex_begin_gathering();
    for (uint32_t i = 0; i < set->member_count; i++) {
        const regex_state *state = &regex_states[set->members[i]];
        if (state->kind == REGEX_BYTE && state->low <= byte && byte <= state->high)
            regex_gather(state->next, false, false);
    }
    regex_gather(regex_start, false, false); /* it may begin anywhere */
    int32_t count = regex_set_count, next = regex_set_of_gathered(false);
    if (regex_set_count >= count) set->next[byte] = next; /* else the set is gone */
    return next;
}

/* -- For the module ------------------------------------------------------------------------------ */

/* Take the expression, which must live on. Gives SM_OK, or SM_ERROR with what is wrong. */
SM_API int regex_compile(sm_bytes text) {
    regex_text = text;
    if (text.size > REGEX_SIZE_MAX) return sm_error("parameter \"regex\" has more than 4096 bytes");
    if (!sm_is_utf8(text)) return sm_error("parameter \"regex\" is not UTF-8 text");
    const regex_node *node = regex_read_either(0);
    if (!regex_failed && regex_read_to < text.size) regex_fail(regex_read_to, ") without (");
    if (regex_failed) return SM_ERROR;
    regex_states = sm_alloc(REGEX_STATE_COUNT_MAX * sizeof(regex_state));
    regex_start = regex_add_node(node, regex_add(REGEX_MATCH, 0, 0, -1, -1));
    if (regex_failed) return SM_ERROR;
    regex_marks = sm_alloc((uint64_t)regex_state_count * sizeof(uint32_t));
    __builtin_memset(regex_marks, 0, (size_t)regex_state_count * sizeof(uint32_t));
    regex_gathered = sm_alloc((uint64_t)regex_state_count * sizeof(int32_t));
    /* A state waits once for each state that leads to it without a byte: two for a split. */
    regex_waiting = sm_alloc((uint64_t)(2 * regex_state_count + 1) * sizeof(int32_t));
    return SM_OK;
}

SM_API bool regex_find(sm_bytes text) {
    if (regex_first < 0) {
        regex_begin_gathering();
        regex_gather(regex_start, true, false);
        int32_t first = regex_set_of_gathered(true);
        regex_first = first; /* not before: making it may forget all */
    }
    int32_t at = regex_first;
    for (uint32_t i = 0; i < text.size; i++) {
        const regex_set *set = regex_sets[at];
        if (set->is_match) return true;
        if (!set->member_count) return false;
        int32_t next = set->next[text.data[i]];
        at = next < 0 ? regex_step(at, text.data[i]) : next;
    }
    return regex_sets[at]->is_match_at_end;
}

#endif
