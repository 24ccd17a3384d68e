/* decimal.h: exact decimal numbers with up to 27 digits before the point and 9 behind it.
 *
 * Sums of prices and counters come out as people write them, which binary fractions cannot promise.
 * A number is a count of billionths in 128 bits; division of those would need the compiler's library,
 * so it is done here in small steps.
 */
#ifndef DECIMAL_H
#define DECIMAL_H

#include "fluvio_smartmodule.h"

#define DECIMAL_DIGITS_MAX 36
#define DECIMAL_PLACES 9

typedef unsigned __int128 decimal_size;
typedef __int128 decimal;

/* 10^36, beyond which a number has too many digits. */
SM_API decimal_size decimal_limit(void) {
    decimal_size limit = 1;
    for (int i = 0; i < DECIMAL_DIGITS_MAX; i++) limit *= 10;
    return limit;
}

SM_API decimal_size decimal_size_of(decimal number) {
    return number < 0 ? 0 - (decimal_size)number : (decimal_size)number;
}

SM_API bool decimal_fits(decimal number) { return decimal_size_of(number) < decimal_limit(); }

/* Divide, bit by bit. */
SM_API decimal_size decimal_divide(decimal_size number, uint64_t by, uint64_t *remainder) {
    decimal_size quotient = 0, rest = 0;
    for (int i = 127; i >= 0; i--) {
        rest = rest << 1 | (number >> i & 1);
        quotient <<= 1;
        if (rest >= by) rest -= by, quotient |= 1;
    }
    *remainder = (uint64_t)rest;
    return quotient;
}

/* Read a JSON number, exactly or not at all. */
SM_API bool decimal_parse(sm_bytes text, decimal *number) {
    const uint8_t *at = text.data, *end = at + text.size;
    if (!text.size || sm_json_number_end(at, end) != end) return false;
    bool is_negative = *at == '-';
    at += is_negative;
    decimal_size found = 0, limit = decimal_limit();
    int64_t places = 0, exponent = 0;
    bool is_fraction = false;
    for (; at < end && (*at | 0x20) != 'e'; at++) {
        if (*at == '.') {
            is_fraction = true;
            continue;
        }
        found = found * 10 + (*at - '0');
        if (found >= limit) return false;
        places += is_fraction;
    }
    *number = 0;
    if (!found) return true;
    if (at < end && !sm_parse_int((sm_bytes){at + 1, (uint32_t)(end - at - 1)}, &exponent)) return false;
    if (exponent > 1000 || exponent < -1000) return false;
    for (places -= exponent; places < DECIMAL_PLACES; places++) {
        found *= 10;
        if (found >= limit) return false;
    }
    for (; places > DECIMAL_PLACES; places--) {
        uint64_t digit;
        found = decimal_divide(found, 10, &digit);
        if (digit) return false;
    }
    *number = is_negative ? -(decimal)found : (decimal)found;
    return true;
}

/* Write it in the shortest way without an exponent. */
SM_API void decimal_append(sm_buffer *buffer, decimal number) {
    uint8_t digits[DECIMAL_DIGITS_MAX + 2];
    uint64_t high, low;
    decimal_size rest = decimal_size_of(number);
    int count = 0, skip = 0;
    /* Three groups of at most 18 digits, which 64 bits hold. */
    rest = decimal_divide(rest, 1000000000000000000u, &low);
    rest = decimal_divide(rest, 1000000000000000000u, &high);
    for (int i = 0; i < 18; i++, low /= 10) digits[count++] = (uint8_t)('0' + low % 10);
    for (int i = 0; i < 18; i++, high /= 10) digits[count++] = (uint8_t)('0' + high % 10);
    while (count > DECIMAL_PLACES + 1 && digits[count - 1] == '0') count--;
    while (skip < DECIMAL_PLACES && digits[skip] == '0') skip++;
    if (number < 0) sm_append_byte(buffer, '-');
    while (count > DECIMAL_PLACES) sm_append_byte(buffer, digits[--count]);
    if (skip < DECIMAL_PLACES) sm_append_byte(buffer, '.');
    while (count > skip) sm_append_byte(buffer, digits[--count]);
}

/* -- The number of a record, for the aggregates -------------------------------------------------- */

static sm_bytes decimal_field;

/* Take the parameter `field`. */
SM_API int decimal_init(void) {
    if (sm_param_names("field") < 0) return SM_ERROR;
    if (sm_param("field", &decimal_field) && !decimal_field.size)
        return sm_error("parameter \"field\" is empty, but must be a path such as order.total");
    return SM_OK;
}

/* The number that the value is, or that is in the field. */
SM_API int decimal_of(const sm_record *record, decimal *number) {
    sm_bytes text = record->value;
    if (decimal_field.size) {
        sm_json root, found;
        if (sm_json_parse(record->value, &root) < 0) return SM_ERROR;
        if (!sm_json_get(root, decimal_field, &found))
            return sm_error("the value has no field %.*s", SM_TEXT(decimal_field));
        text = found.text;
    }
    if (!decimal_parse(text, number))
        return sm_error("not a number of at most 27 digits and 9 decimals: %.*s", SM_TEXT(text));
    return SM_OK;
}

SM_API int decimal_of_accumulator(sm_bytes accumulator, decimal *number) {
    *number = 0;
    if (accumulator.size && !decimal_parse(accumulator, number))
        return sm_error("the accumulator is not a number: %.*s", SM_TEXT(accumulator));
    return SM_OK;
}

#endif
