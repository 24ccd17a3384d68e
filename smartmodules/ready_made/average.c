/* average: say what the mean of the numbers so far is.
 *
 * kind: aggregate
 * field (the whole value): the path of the number in a JSON value, such as order.total
 *
 * The accumulator is {"average":2.5,"count":2,"sum":5}, or empty. Numbers have at most 27 digits and
 * 9 decimals; the average is cut after its ninth.
 */
#include "decimal.h"

SM_INIT() { return decimal_init(); }

static int begin_with(sm_bytes accumulator, int64_t *count, decimal *sum) {
    sm_json root, found;
    *count = 0;
    *sum = 0;
    if (!accumulator.size) return SM_OK;
    if (sm_json_parse(accumulator, &root) >= 0 && sm_json_get(root, SM_LITERAL("count"), &found) &&
        sm_parse_int(found.text, count) && *count >= 0 && *count < INT64_MAX &&
        sm_json_get(root, SM_LITERAL("sum"), &found) && decimal_parse(found.text, sum))
        return SM_OK;
    return sm_error("the accumulator has no count and sum: %.*s", SM_TEXT(accumulator));
}

SM_AGGREGATE(accumulator, record, out) {
    decimal sum, number;
    int64_t count;
    uint64_t remainder;
    if (begin_with(accumulator, &count, &sum) < 0 || decimal_of(record, &number) < 0) return SM_ERROR;
    sum += number;
    count++;
    if (!decimal_fits(sum)) return sm_error("the sum has more than 27 digits");
    decimal average = (decimal)decimal_divide(decimal_size_of(sum), (uint64_t)count, &remainder);
    sm_append_text(&out->value, "{\"average\":");
    decimal_append(&out->value, sum < 0 ? -average : average);
    sm_append_text(&out->value, ",\"count\":");
    sm_append_int(&out->value, count);
    sm_append_text(&out->value, ",\"sum\":");
    decimal_append(&out->value, sum);
    sm_append_byte(&out->value, '}');
    return SM_OK;
}
