/* min: say what the smallest number so far is.
 *
 * kind: aggregate
 * field (the whole value): the path of the number in a JSON value, such as order.total
 *
 * The accumulator is a number; an empty one is none. Numbers have at most 27 digits and 9 decimals.
 */
#include "decimal.h"

SM_INIT() { return decimal_init(); }

SM_AGGREGATE(accumulator, record, out) {
    decimal before, number;
    if (decimal_of_accumulator(accumulator, &before) < 0 || decimal_of(record, &number) < 0)
        return SM_ERROR;
    decimal_append(&out->value, !accumulator.size || number < before ? number : before);
    return SM_OK;
}
