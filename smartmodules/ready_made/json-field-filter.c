/* json-field-filter: keep the records whose JSON value has a field that compares as asked.
 *
 * kind: filter
 * field (needed): the path of the field, such as user.age or tags.0
 * op (eq): eq, ne, lt, le, gt, ge, contains, starts-with, ends-with, exists or missing
 * value: what to compare with; needed unless op is exists or missing
 *
 * A number in the record is compared with a value that is a number, exactly; anything else as text,
 * by bytes: of a string its content, of true, false and null the word. A number in the record against
 * a value that is none, and an array or object against anything, is only ever ne. A record without the
 * field is dropped by every op but missing.
 */
#include "fluvio_smartmodule.h"

enum { EQ, NE, LT, LE, GT, GE, CONTAINS, STARTS_WITH, ENDS_WITH, EXISTS, MISSING };

static sm_bytes field, value;
static int op = EQ;

SM_INIT() {
    if (sm_param_names("field,op,value") < 0 || sm_param_needed("field", &field) < 0 ||
        sm_param_choice(
            "op", "eq,ne,lt,le,gt,ge,contains,starts-with,ends-with,exists,missing", &op) < 0)
        return SM_ERROR;
    if (!field.size) return sm_error("parameter \"field\" is empty, but must be a path such as user.age");
    if (op < EXISTS) return sm_param_needed("value", &value);
    if (sm_param("value", &value)) return sm_error("op exists and op missing take no \"value\"");
    return SM_OK;
}

/* A decimal number as its digits without zeros at either end, and the power of ten before the first. */
typedef struct {
    int sign; /* 0 for zero */
    int64_t power;
    sm_bytes digits;
} number;

static number read_number(sm_bytes text) {
    const uint8_t *at = text.data, *end = at + text.size;
    uint8_t *digits = sm_temporary(text.size);
    number found = {*at == '-' ? -1 : 1, 0, {digits, 0}};
    uint32_t kept = 0;
    bool is_fraction = false;
    for (at += *at == '-'; at < end && (*at | 0x20) != 'e'; at++) {
        if (*at == '.') {
            is_fraction = true;
            continue;
        }
        if (found.digits.size || *at != '0') {
            digits[found.digits.size++] = *at;
            if (*at != '0') kept = found.digits.size;
            found.power += !is_fraction;
        } else {
            found.power -= is_fraction;
        }
    }
    found.digits.size = kept;
    int64_t exponent = 0;
    sm_bytes written = {at + 1, (uint32_t)(end - at - 1)};
    if (at < end && (!sm_parse_int(written, &exponent) || exponent > INT64_MAX / 4 ||
                     exponent < -INT64_MAX / 4))
        exponent = written.data[0] == '-' ? -INT64_MAX / 4 : INT64_MAX / 4;
    found.power += exponent;
    if (!kept) found = (number){0, 0, {digits, 0}};
    return found;
}

static int compare_numbers(sm_bytes left, sm_bytes right) {
    number a = read_number(left), b = read_number(right);
    if (a.sign != b.sign) return a.sign < b.sign ? -1 : 1;
    if (a.power != b.power) return (a.power < b.power ? -1 : 1) * a.sign;
    return sm_compare(a.digits, b.digits) * a.sign;
}

static bool has_inside(sm_bytes whole, sm_bytes part) {
    for (uint32_t i = 0; i + part.size <= whole.size; i++)
        if (sm_equal(sm_slice(whole, i, i + part.size), part)) return true;
    return false;
}

SM_FILTER(record) {
    sm_json root, found;
    if (sm_json_parse(record->value, &root) < 0) return SM_ERROR;
    bool is_there = sm_json_get(root, field, &found);
    if (op >= EXISTS || !is_there) return is_there ? op == EXISTS : op == MISSING;
    if (found.kind >= SM_JSON_ARRAY) return op == NE;
    sm_bytes text = found.kind == SM_JSON_STRING ? sm_json_string(found.text) : found.text;
    if (op == CONTAINS) return has_inside(text, value);
    if (op == STARTS_WITH) return sm_starts_with(text, value);
    if (op == ENDS_WITH) return sm_ends_with(text, value);
    int order;
    if (found.kind == SM_JSON_NUMBER) {
        const uint8_t *end = value.data + value.size;
        if (!value.size || sm_json_number_end(value.data, end) != end) return op == NE;
        order = compare_numbers(text, value);
    } else {
        order = sm_compare(text, value);
    }
    switch (op) {
    case EQ: return order == 0;
    case NE: return order != 0;
    case LT: return order < 0;
    case LE: return order <= 0;
    case GT: return order > 0;
    default: return order >= 0;
    }
}
